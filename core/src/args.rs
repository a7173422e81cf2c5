//! The command line: its words and their help texts.
//!
//! Not here: what the commands do (`main`).

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::args_intercept::InterceptCommand;
use crate::cert::{self, CertCommand};

/// What every exit code means; the same for all commands.
const EXIT_CODES: &str = "\
Exit codes:
  0    done; after `run`: stopped as asked
  1    the configuration has errors, a check or a step failed, or the proxy could not go on
  2    the command line was not understood
  130  ended at once by a second SIGINT (143: SIGTERM)";

const AFTER_HELP: &str = "\
Try it:
  ringway demo                     origins, a configuration and the proxy, with requests to try
  ringway check ringway.toml       every error of a file at once
  ringway run ringway.toml         serve, and follow the file as it is edited
  ringway cert self-signed localhost   a certificate for HTTPS on this machine
";

const RUN_HELP: &str = "\
The file is followed: a save that checks out is in force at once without a dropped connection, one that does not is refused with \
its errors in the log while the running configuration goes on.

Signals:
  SIGTERM, SIGINT  finish what is in flight (server.drain, 30 s), then end; a second one ends at once
  SIGHUP           reload in any case (names are resolved anew) and open log files again
  SIGUSR1          open log files again

Example:
  ringway run /etc/ringway/ringway.toml";

const CHECK_HELP: &str = "\
Reads the file and what it includes, the files of secrets, and certificates, keys and bundles, which are judged as pairs and chains; looks up the names of endpoints (a name that this machine does not \
know is a warning). Binds nothing.

Examples:
  ringway check ringway.toml && systemctl reload ringway
  ringway check --no-certificates ringway.toml     where the keys are not, e.g. before a commit
  ringway check /dev/stdin < ringway.toml";

const DEMO_HELP: &str = "\
Examples:
  ringway demo                     until Ctrl-C; prints curl lines to try
  ringway demo --dir try --port 8080
  ringway demo --tour              makes the requests itself; exits 0 only if all of it held";

const COMPLETIONS_HELP: &str = "\
Examples:
  ringway completions bash > /etc/bash_completion.d/ringway
  ringway completions zsh > \"${fpath[1]}/_ringway\"
  ringway completions fish > ~/.config/fish/completions/ringway.fish";

/// An L4/L7 proxy on io_uring for the edge and for a service mesh.
#[derive(Debug, Parser)]
#[command(
    name = "ringway",
    version,
    long_version = long_version(),
    arg_required_else_help = true,
    after_help = AFTER_HELP,
    after_long_help = format!("{AFTER_HELP}\n{EXIT_CODES}"),
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve with this configuration, and follow the file as it is edited
    #[command(after_long_help = RUN_HELP)]
    Run {
        /// The configuration (TOML)
        file: PathBuf,
        /// Stop, as on SIGTERM, when standard input ends: for a parent that must not leave the proxy behind
        #[arg(long)]
        stop_with_stdin: bool,
        /// Leave connections with the worker that the kernel gave them to: for measuring what evening them out gives
        #[arg(long, hide = true)]
        kernel_spread: bool,
    },
    /// Check a configuration: all errors at once, with file, line and column
    #[command(after_long_help = CHECK_HELP)]
    Check {
        /// The configuration (TOML)
        file: PathBuf,
        /// Leave the files of [tls.x] closed
        #[arg(long)]
        no_certificates: bool,
    },
    /// Look at this machine: io_uring, limits, settings; each with its fix
    Doctor,
    /// Bring the connections of services to the proxy by rules of the kernel
    #[command(subcommand, arg_required_else_help = true)]
    Intercept(InterceptCommand),
    /// About the configuration's format
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Try Ringway on this machine: origins, a configuration and the proxy, all in one
    #[command(after_help = DEMO_HELP)]
    Demo {
        /// Make the requests, edit the file, show that all of it held, and end
        #[arg(long)]
        tour: bool,
        /// Port of the proxy on 127.0.0.1 [default: 8080 if it is free, else any]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        /// Folder for the configuration and the logs; it is kept [default: a temporary one, removed at the end]
        #[arg(long, value_name = "D")]
        dir: Option<PathBuf>,
    },
    /// Make certificates for trying and for tests
    #[command(subcommand, arg_required_else_help = true, after_help = cert::HELP)]
    Cert(CertCommand),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every default with its reason
    Defaults {
        /// How to print them
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// The version and the facts of this build. clap wants it for the whole life of the process.
fn long_version() -> &'static str {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let environment = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    format!(
        "{}\ntarget: {}-unknown-{}-{environment}\nbuild: {profile}\ndrivers: io_uring, epoll",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
    .leak()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_is_understood_and_what_is_not() {
        let cases = [
            ("run ringway.toml", true),
            ("run", false),
            ("check a.toml b.toml", false),
            ("check --no-certificates a.toml", true),
            ("doctor", true),
            ("intercept apply sidecar --dry-run", true),
            ("intercept apply", false),
            ("intercept remove", true),
            ("intercept show", true),
            ("config defaults", true),
            ("config defaults --format json", true),
            ("config", false),
            ("demo --tour --port 8081 --dir d", true),
            ("demo --port 0", false),
            ("demo --port 65536", false),
            ("cert", false),
            ("cert ca --name x --out d --days 7 --force", true),
            ("cert issue", false),
            ("cert issue spiffe://a.b/c 10.0.0.1 --ca d/ca --rsa", true),
            ("cert self-signed localhost --days 0", false),
            ("completions zsh", true),
            ("completions tcsh", false),
            ("", false),
        ];
        for (line, good) in cases {
            let words = std::iter::once("ringway").chain(line.split_whitespace());
            assert_eq!(Args::try_parse_from(words).is_ok(), good, "`{line}`");
        }
    }

    #[test]
    fn long_help_has_the_exit_codes_and_the_version_its_target() {
        let help = Args::command().render_long_help().to_string();
        assert!(help.contains("Exit codes:"), "{help}");
        assert!(long_version().contains(std::env::consts::ARCH));
    }
}
