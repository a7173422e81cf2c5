//! Every way to save a file, on a real file system. Nothing sleeps: tests wait on the watch's channel, and the poll is switched
//! off (an hour) except where it is what is tested.

use super::*;
use crate::control::scratch::Scratch;
use std::io::Write as _;
use std::os::unix::fs::symlink;

/// Longest wait for a change to be told. Generous: test machines are busy.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

const PACE: Pace = Pace {
    quiet: Duration::from_millis(30),
    open_file: HOUR,
    at_most: HOUR,
    poll: HOUR,
};

struct Watched {
    main: PathBuf,
    told: Receiver<()>,
    _watch: Watch,
}

impl Watched {
    fn start(main: &Path, pace: Pace) -> Watched {
        let mut files = ConfigFiles::new(main);
        files.load().unwrap();
        Watched::since(&files, pace)
    }

    fn since(files: &ConfigFiles, pace: Pace) -> Watched {
        let (tell, told) = mpsc::channel();
        let main = files.main().to_owned();
        let changed = move || tell.send(()).unwrap_or_default();
        let watch = Watch::start(&main, files, pace, changed).unwrap();
        Watched {
            main,
            told,
            _watch: watch,
        }
    }

    /// Wait to be told; how the files then read: all texts, or the error.
    fn wait(&self) -> Result<Vec<String>, String> {
        self.told.recv_timeout(PATIENCE).expect("a change is told");
        self.read()
    }

    fn read(&self) -> Result<Vec<String>, String> {
        let read = crate::control::read(&self.main)?;
        Ok(read.sources.into_iter().map(|s| s.text).collect())
    }

    /// Wait until the files read as expected; half states on the way are allowed.
    fn wait_for(&self, expected: &[&str]) {
        loop {
            if self.wait().is_ok_and(|texts| texts == expected) {
                return;
            }
        }
    }

    /// Nothing more is told than what was waited for.
    fn nothing_more(&self) {
        let more = self.told.recv_timeout(Duration::from_millis(300));
        assert_eq!(more, Err(RecvTimeoutError::Timeout));
    }
}

const ONE: &str = "version = 1\n# one\n";
const TWO: &str = "version = 1\n# two\n";
const THREE: &str = "version = 1\n# three\n";

#[test]
fn in_place() {
    let dir = Scratch::new();
    let watched = Watched::start(&dir.write("ringway.toml", ONE), PACE);
    dir.write("ringway.toml", TWO);
    assert_eq!(watched.wait().unwrap(), [TWO]);
    dir.write("ringway.toml", THREE);
    assert_eq!(watched.wait().unwrap(), [THREE]);
    watched.nothing_more();
}

#[test]
fn renamed_over() {
    let dir = Scratch::new();
    let main = dir.write("ringway.toml", ONE);
    let watched = Watched::start(&main, PACE);
    for text in [TWO, THREE] {
        let new = dir.write("ringway.toml.tmp", text);
        fs::rename(new, &main).unwrap();
        assert_eq!(watched.wait().unwrap(), [text]);
    }
    watched.nothing_more();
}

#[test]
fn an_editor_with_a_swap_file_and_a_backup() {
    let dir = Scratch::new();
    let main = dir.write("ringway.toml", ONE);
    let watched = Watched::start(&main, PACE);
    // While editing: only the swap file moves. Then the save of vim with `backup`: the old file is renamed away, a new one made.
    for n in 0..20 {
        dir.write(".ringway.toml.swp", &format!("swap {n}"));
    }
    fs::rename(&main, dir.join("ringway.toml~")).unwrap();
    dir.write("ringway.toml", TWO);
    fs::remove_file(dir.join(".ringway.toml.swp")).unwrap();
    watched.wait_for(&[TWO]);
    // The same content once more is no change.
    let new = dir.write("4913", TWO);
    fs::rename(new, &main).unwrap();
    watched.nothing_more();
}

#[test]
fn a_config_map() {
    let dir = Scratch::new();
    let generation = |name: &str, text: &str| {
        fs::create_dir(dir.join(name)).unwrap();
        dir.write(&format!("{name}/ringway.toml"), text);
        symlink(name, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    generation("..2026_1", ONE);
    symlink("..data/ringway.toml", dir.join("ringway.toml")).unwrap();
    let watched = Watched::start(&dir.join("ringway.toml"), PACE);
    generation("..2026_2", TWO);
    fs::remove_dir_all(dir.join("..2026_1")).unwrap();
    watched.wait_for(&[TWO]);
    // The swap after the first: the watches have moved on with the link.
    generation("..2026_3", THREE);
    fs::remove_dir_all(dir.join("..2026_2")).unwrap();
    watched.wait_for(&[THREE]);
    // And the target itself, written in place.
    dir.write("..2026_3/ringway.toml", ONE);
    watched.wait_for(&[ONE]);
}

#[test]
fn a_symlink_to_another_folder() {
    let (dir, there) = (Scratch::new(), Scratch::new());
    let main = dir.join("ringway.toml");
    symlink(there.write("real.toml", ONE), &main).unwrap();
    let watched = Watched::start(&main, PACE);
    there.write("real.toml", TWO);
    assert_eq!(watched.wait().unwrap(), [TWO]);
    // Pointed elsewhere.
    symlink(there.write("other.toml", THREE), dir.join("new")).unwrap();
    fs::rename(dir.join("new"), &main).unwrap();
    assert_eq!(watched.wait().unwrap(), [THREE]);
}

#[test]
fn deleted_and_made_again() {
    let dir = Scratch::new();
    let main = dir.write("ringway.toml", ONE);
    let watched = Watched::start(&main, PACE);
    fs::remove_file(&main).unwrap();
    let gone = watched.wait().unwrap_err();
    assert!(gone.contains("no such file"), "{gone}");
    dir.write("ringway.toml", TWO);
    assert_eq!(watched.wait().unwrap(), [TWO]);
}

#[test]
fn a_writer_at_half_is_waited_for() {
    let dir = Scratch::new();
    let main = dir.write("ringway.toml", THREE);
    let watched = Watched::start(&main, PACE);
    // From here on only events make it look.
    dir.write("ringway.toml", ONE);
    watched.wait_for(&[ONE]);
    let mut writer = fs::File::create(&main).unwrap();
    writer.write_all(&TWO.as_bytes()[..9]).unwrap();
    // Ten times the quiet time: what is there now is not looked at.
    watched.nothing_more();
    writer.write_all(&TWO.as_bytes()[9..]).unwrap();
    drop(writer);
    assert_eq!(watched.wait().unwrap(), [TWO]);
    watched.nothing_more();
}

#[test]
fn a_writer_that_never_closes_is_not_waited_for_for_ever() {
    let dir = Scratch::new();
    let main = dir.write("ringway.toml", ONE);
    let pace = Pace {
        open_file: Duration::from_millis(100),
        ..PACE
    };
    let watched = Watched::start(&main, pace);
    let mut writer = fs::File::create(&main).unwrap();
    writer.write_all(TWO.as_bytes()).unwrap();
    watched.wait_for(&[TWO]);
}

#[test]
fn truncated_closed_and_written_later() {
    let dir = Scratch::new();
    let watched = Watched::start(&dir.write("ringway.toml", ONE), PACE);
    dir.write("ringway.toml", "");
    dir.write("ringway.toml", TWO);
    watched.wait_for(&[TWO]);
    dir.write("ringway.toml", "");
    assert_eq!(watched.wait().unwrap(), [""], "an empty file is a state");
    dir.write("ringway.toml", THREE);
    watched.wait_for(&[THREE]);
}

#[test]
fn included_files_come_and_go() {
    let dir = Scratch::new();
    let with = "include = [\"conf.d/*.toml\"]\n";
    let watched = Watched::start(&dir.write("ringway.toml", with), PACE);
    // The folder itself comes later.
    fs::create_dir(dir.join("conf.d")).unwrap();
    dir.write("conf.d/b.toml", TWO);
    watched.wait_for(&[with, TWO]);
    dir.write("conf.d/a.toml", ONE);
    watched.wait_for(&[with, ONE, TWO]);
    // Not matched, not told.
    dir.write("conf.d/notes.txt", "x");
    dir.write("conf.d/.#a.toml", "x");
    dir.write("conf.d/b.toml", THREE);
    assert_eq!(watched.wait().unwrap(), [with, ONE, THREE]);
    fs::remove_file(dir.join("conf.d/a.toml")).unwrap();
    assert_eq!(watched.wait().unwrap(), [with, THREE]);
    // A folder made anew under the same name needs a new watch.
    fs::remove_dir_all(dir.join("conf.d")).unwrap();
    watched.wait_for(&[with]);
    fs::create_dir(dir.join("conf.d")).unwrap();
    dir.write("conf.d/c.toml", ONE);
    watched.wait_for(&[with, ONE]);
}

#[test]
fn a_change_before_the_watch_began() {
    let dir = Scratch::new();
    let mut files = ConfigFiles::new(dir.write("ringway.toml", ONE));
    files.load().unwrap();
    dir.write("ringway.toml", TWO);
    let watched = Watched::since(&files, PACE);
    assert_eq!(watched.wait().unwrap(), [TWO]);
}

#[test]
fn the_poll_sees_what_no_event_tells() {
    let (dir, elsewhere) = (Scratch::new(), Scratch::new());
    let main = dir.write("ringway.toml", ONE);
    // Written under its other name, in a folder that is not watched: as on a network file system, there is no event.
    fs::hard_link(&main, elsewhere.join("same.toml")).unwrap();
    let pace = Pace {
        poll: Duration::from_millis(20),
        ..PACE
    };
    let watched = Watched::start(&main, pace);
    elsewhere.write("same.toml", TWO);
    watched.wait_for(&[TWO]);
    elsewhere.write("same.toml", THREE);
    watched.wait_for(&[THREE]);
}

#[test]
fn the_end_is_prompt() {
    let dir = Scratch::new();
    let watched = Watched::start(&dir.write("ringway.toml", ONE), PACE);
    // Dropping joins the thread; with an hour's poll it would hang here if it did not listen.
    drop(watched);
}
