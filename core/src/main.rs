//! The `ringway` command: takes the command line apart and calls what it names.
//!
//! Not here: anything that would be worth a test of its own; that is in the library.
#![forbid(unsafe_code)]

mod args;
mod args_intercept;
mod cert;
mod check;

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use ringway::control::{self, ConfigFiles, Loaded};
use ringway::{demo, doctor, start};

use args_intercept::InterceptCommand;

use args::{Args, Command, ConfigCommand, Format};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let done = match Args::parse().command {
        Command::Run {
            file,
            stop_with_stdin,
            kernel_spread,
        } => {
            // The proxy writes its log there.
            drop(out);
            let spread = if kernel_spread {
                start::Spread::Kernel
            } else {
                start::Spread::Even
            };
            return run(&file, stop_with_stdin, spread);
        }
        Command::Demo { tour, port, dir } => {
            drop(out);
            return demo::run(demo::Options { tour, port, dir });
        }
        Command::Check {
            file,
            no_certificates,
        } => {
            let certificates = if no_certificates {
                check::Certificates::Unseen
            } else {
                check::Certificates::Judged
            };
            check::check(&file, certificates, &mut out)
        }
        Command::Doctor => doctor::run(&mut out, io::stdout().is_terminal()),
        Command::Intercept(command) => intercept(command, &mut out),
        Command::Config(ConfigCommand::Defaults { format }) => match format {
            Format::Table => check::defaults_table(&mut out),
            Format::Json => check::defaults_json(&mut out),
        },
        Command::Cert(command) => cert::run(&command, &mut out),
        Command::Completions { shell } => completions(shell, &mut out),
    };
    // Whoever reads our output may stop early (`| head`); that is no fault.
    match done.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ringway: standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path, stop_with_stdin: bool, spread: start::Spread) -> ExitCode {
    if stop_with_stdin {
        control::stop_with_stdin();
    }
    let mut files = ConfigFiles::new(file);
    match files.load() {
        Ok(loaded) if says_no(&loaded) => ExitCode::FAILURE,
        Ok(loaded) => start::run(files, loaded, spread),
        Err(why) => {
            let _ = writeln!(io::stderr(), "ringway: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that was found, warnings too, and whether it forbids a start.
fn says_no(loaded: &Loaded) -> bool {
    let found = check::findings(loaded);
    let _ = write!(io::stderr(), "{found}");
    loaded.errors() > 0
}

fn intercept(command: InterceptCommand, out: &mut dyn Write) -> io::Result<ExitCode> {
    match command {
        InterceptCommand::Remove { dry_run } => ringway::intercept::remove(dry_run, out),
        InterceptCommand::Show => ringway::intercept::show(out),
        InterceptCommand::Apply(apply) => {
            let (backend, dry_run) = (apply.backend(), apply.dry_run());
            match apply.wish() {
                Ok(wish) => ringway::intercept::apply(&wish, backend, dry_run, out),
                Err(why) => Args::command()
                    .error(clap::error::ErrorKind::ArgumentConflict, why)
                    .exit(),
            }
        }
    }
}

fn completions(shell: clap_complete::Shell, out: &mut dyn Write) -> io::Result<ExitCode> {
    // clap_complete panics when it cannot write; memory can always be written to.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "ringway", &mut text);
    out.write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
