//! `ringway demo`: origins, a configuration and the real proxy on this machine, to try in one command.
//!
//! Not here: the origins, the written configuration, the proxy's process, and the tour; this page puts them together.

mod client;
mod origins;
mod process;
mod settings;
mod tour;

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::control::inbox::Inbox;
use crate::control::side::Side;
use origins::Origins;
use process::Proxy;

/// Ports that are asked for first: easy to remember, and the same each time.
const PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9901;

/// What the command line said.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Make the requests ourselves and end.
    pub tour: bool,
    /// The proxy's port, else `PORT` if it is free, else any.
    pub port: Option<u16>,
    /// A folder that is kept, else a temporary one.
    pub dir: Option<PathBuf>,
}

/// Everything that runs, for as long as this lives.
struct Demo {
    folder: Folder,
    /// The configuration's file.
    file: PathBuf,
    proxy_at: SocketAddr,
    admin_at: SocketAddr,
    proxy: Proxy,
    origins: Origins,
    side: Side,
}

/// Start everything, then wait for Ctrl-C, or make the tour. What goes wrong is said on standard error.
pub fn run(options: Options) -> ExitCode {
    let mut out = io::stdout().lock();
    let done = Demo::start(&options).and_then(|demo| {
        if options.tour {
            demo.tour(&mut out)
        } else {
            demo.wait(&mut out)
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "ringway demo: {why}");
            ExitCode::FAILURE
        }
    }
}

impl Demo {
    fn start(options: &Options) -> Result<Demo, String> {
        let (proxy_at, admin_at) = free_addresses(options.port)?;
        let side = Side::start().map_err(in_words("cannot start a thread"))?;
        let origins =
            Origins::start(side.runtime()).map_err(in_words("the origins cannot listen"))?;
        let mut folder = Folder::make(options.dir.as_deref())?;
        let file = folder.path.join("ringway.toml");
        let text = settings::text(&settings::Settings {
            proxy: proxy_at,
            admin: admin_at,
            folder: &folder.path,
            origins: &origins,
        });
        fs::write(&file, text).map_err(in_words(file.display()))?;
        let log = folder.path.join("proxy.log");
        let mut proxy = Proxy::start(&file, &log)?;
        if let Err(why) = proxy.wait_until_ready(admin_at) {
            folder.keep();
            return Err(format!("{why}\n\n{}", proxy.last_words()));
        }
        Ok(Demo {
            folder,
            file,
            proxy_at,
            admin_at,
            proxy,
            origins,
            side,
        })
    }

    /// Print what to try, and wait for Ctrl-C.
    fn wait(mut self, out: &mut dyn Write) -> Result<(), String> {
        let inbox = Inbox::default();
        self.side
            .hear(inbox.clone(), |code| std::process::exit(code))
            .map_err(in_words("cannot receive signals"))?;
        let printed = self.print(out).and_then(|()| out.flush());
        printed.map_err(in_words("standard output"))?;
        // So that a proxy that ends by itself is noticed.
        while inbox.wait(Duration::from_millis(500)).stop.is_none() {
            if let Some(status) = self.proxy.ended() {
                self.folder.keep();
                let words = self.proxy.last_words();
                return Err(format!("the proxy ended by itself ({status})\n\n{words}"));
            }
        }
        self.proxy.stop()?;
        // Whoever pressed Ctrl-C may have closed the terminal as well.
        let _ = writeln!(out, "\n{}", self.folder.farewell());
        Ok(())
    }

    fn tour(mut self, out: &mut dyn Write) -> Result<(), String> {
        let way = tour::Way {
            file: self.file.clone(),
            proxy: self.proxy_at,
            admin: self.admin_at,
            patience: tour::PATIENCE,
        };
        let told = tour::run(way, out).and_then(|()| {
            self.proxy.stop()?;
            let _ = writeln!(out, "\nAll of it held. {}", self.folder.farewell());
            Ok(())
        });
        told.map_err(|why| {
            self.folder.keep();
            let folder = self.folder.path.display();
            let words = self.proxy.last_words();
            format!("{why}\nWhat was written stays in {folder}\n\n{words}")
        })
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let (web, admin) = (self.proxy_at, self.admin_at);
        let file = quoted(&self.file);
        let edit = settings::SED;
        let end = if self.folder.kept {
            "keeps the folder"
        } else {
            "removes the folder (keep one with --dir)"
        };
        write!(
            out,
            "\
Ringway demo

  proxy    http://{web}
  file     {path}
  logs     proxy.log and access.log beside it
  origins  {origins}

Try, in another terminal:

  # a plain route: products v1
  curl -s http://{web}/products/7

  # a route that looks at a header: products v2, with the name from the header
  curl -s -H 'user: ann@mycorp.com' http://{web}/products/7

  # a weighted split: about 8 of 10 from v1
  for i in $(seq 10); do curl -s http://{web}/split/$i; done

  # edit the file, and the next request follows
  sed -i '{edit}' {file} && sleep 0.3 && curl -s http://{web}/products/7

  # what it counts
  curl -s http://{admin}/metrics | grep route_requests

Ctrl-C ends it and {end}.
",
            path = self.file.display(),
            origins = self.origins.line(),
        )
    }
}

/// Two free ports on the loopback. Freed again here: the proxy binds them in its own process.
fn free_addresses(port: Option<u16>) -> Result<(SocketAddr, SocketAddr), String> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let web = match port {
        Some(port) => bind(port).map_err(in_words(format!("port {port}")))?,
        None => bind(PORT)
            .or_else(|_| bind(0))
            .map_err(in_words("no port is free"))?,
    };
    let admin = bind(ADMIN_PORT)
        .or_else(|_| bind(0))
        .map_err(in_words("no port is free"))?;
    let address = |of: &TcpListener| of.local_addr().map_err(in_words("no address"));
    Ok((address(&web)?, address(&admin)?))
}

/// The folder with the configuration and the logs. Dropping it removes it, unless it is to be kept.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    /// The wanted one if it has no configuration yet, else a fresh temporary one.
    fn make(wanted: Option<&Path>) -> Result<Folder, String> {
        if let Some(path) = wanted {
            fs::create_dir_all(path).map_err(in_words(path.display()))?;
            let path = fs::canonicalize(path).map_err(in_words(path.display()))?;
            if path.join("ringway.toml").exists() {
                let path = path.display();
                return Err(format!(
                    "{path} has a ringway.toml already; `ringway run` serves it, or choose another folder"
                ));
            }
            return Ok(Folder { path, kept: true });
        }
        let base = std::env::temp_dir();
        let process = std::process::id();
        // Somebody else's folder of that name is never used.
        for n in 0..100 {
            let path = base.join(format!("ringway-demo-{process}-{n}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Folder { path, kept: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Err(format!("no fresh folder in {}", base.display()))
    }

    fn keep(&mut self) {
        self.kept = true;
    }

    fn farewell(&self) -> String {
        let path = self.path.display();
        if self.kept {
            format!("The proxy has ended; {path} is kept.")
        } else {
            format!("The proxy has ended; {path} is removed.")
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn in_words<E: Display>(what: impl Display) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
