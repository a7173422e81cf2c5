//! Measurements of Ringway. Each prints figures; none of them judges. Run with `--release`.
#![forbid(unsafe_code)]

mod idle;
mod instructions;
mod machine;
mod pieces;
mod proxy;
mod runtimes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measure Ringway.
#[derive(Debug, Parser)]
#[command(name = "ringway-bench")]
struct Args {
    #[command(subcommand)]
    what: What,
    /// The proxy to measure; by default the `ringway` beside this program.
    #[arg(long, global = true)]
    ringway: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Resident memory per idle keep-alive client connection, each after one request.
    Idle {
        /// How many connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Driver of the proxy: `io_uring` or `epoll`.
        #[arg(long, default_value = "io_uring")]
        io: String,
    },
    Runtimes(runtimes::RuntimesArgs),
    Instructions(instructions::InstructionsArgs),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.what {
        What::Idle { connections, io } => idle::run(args.ringway, connections, &io),
        What::Runtimes(args) => runtimes::run(&args),
        What::Instructions(args) => instructions::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
