//! Measurements of Ringway. Each prints figures; none of them judges. Run with `--release`.
#![forbid(unsafe_code)]

mod attack;
mod bare;
mod child;
mod compare;
mod endless;
mod http2;
mod instructions;
mod load;
mod machine;
mod measure;
mod message;
mod origin;
mod peers;
mod pieces;
mod pin;
mod report;
mod results;
mod run;
mod runtimes;
mod scenario;
mod secured;
mod spread;
mod stats;
mod workers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measure Ringway.
#[derive(Debug, Parser)]
#[command(name = "ringway-bench", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// The proxy to measure; by default the `ringway` beside this program.
    #[arg(long, global = true)]
    ringway: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    Compare(compare::Options),
    /// Show recorded results again: the table, and a page beside the file
    Show(report::Options),
    #[command(hide = true)]
    Load {
        spec: String,
    },
    #[command(hide = true)]
    Origin {
        spec: String,
    },
    #[command(name = "bare-h2", hide = true)]
    Bare {
        listen: SocketAddr,
        origin: SocketAddr,
        threads: usize,
    },
    /// Make certificates as a run has them
    #[command(hide = true)]
    Certificates {
        folder: PathBuf,
    },
    Attack(attack::Options),
    #[command(hide = true)]
    AttackClient {
        spec: String,
    },
    #[command(hide = true)]
    AttackBystander {
        address: String,
    },
    #[command(hide = true)]
    AttackOrigin {
        speaks: String,
    },
    Runtimes(runtimes::RuntimesArgs),
    Instructions(instructions::InstructionsArgs),
    Spread(spread::Options),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.what {
        What::Compare(options) => compare::compare(args.ringway.as_deref(), &options),
        What::Show(options) => report::show(&options),
        What::Load { spec } => load::make(&spec),
        What::Origin { spec } => origin::serve(&spec),
        What::Bare {
            listen,
            origin,
            threads,
        } => bare::forward(listen, origin, threads),
        What::Certificates { folder } => secured::write(&folder),
        What::Attack(options) => attack::run(args.ringway.as_deref(), &options),
        What::AttackClient { spec } => attack::make(&spec),
        What::AttackBystander { address } => attack::stand_by(&address),
        What::AttackOrigin { speaks } => attack::serve(&speaks),
        What::Runtimes(args) => runtimes::run(&args),
        What::Instructions(args) => instructions::run(&args),
        What::Spread(options) => spread::spread(args.ringway.as_deref(), &options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
