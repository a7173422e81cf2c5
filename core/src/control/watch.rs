//! Notices that the configuration's files changed, however they were saved: in place, renamed over, swapped by an editor or by a
//! symlink (ConfigMap), deleted and made again, added to or removed from an included folder.
//!
//! Directories are watched, never files: a file that is replaced takes its watch with it. What decides is the content, read
//! after the directory has been quiet; events only say when to look. A slow poll is the net under all of it.
//!
//! Not here: what is done about a change (`reload`). A change is told once and without detail; whoever is told reads anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::files::{ConfigFiles, Names, Place};

/// How long things wait.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The directory must be quiet for so long: an editor's save is several events within a few milliseconds.
    pub quiet: Duration,
    /// A file of ours that was written to and not closed yet is waited for so long: its writer is at half.
    pub open_file: Duration,
    /// No series of events puts the reading off for longer.
    pub at_most: Duration,
    /// Files are read and compared so often without any event: network file systems send none, watches can be lost.
    pub poll: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            quiet: Duration::from_millis(100),
            open_file: Duration::from_secs(1),
            at_most: Duration::from_secs(2),
            poll: Duration::from_secs(30),
        }
    }
}

/// When directories cannot be watched (the kernel's limit on watches), the poll has to do it alone.
const POLL_ALONE: Duration = Duration::from_secs(2);
/// Readings until a file that changes all the time is taken as it is.
const SETTLE: usize = 20;
/// Events that may wait; what does not fit is not lost, since one waiting event already leads to a reading of everything.
const EVENTS: usize = 256;

/// The watching thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct Watch {
    end: SyncSender<Input>,
    thread: Option<JoinHandle<()>>,
}

/// What the watching thread waits for.
#[derive(Debug)]
enum Input {
    Event(notify::Event),
    Rescan,
    End,
}

impl Watch {
    /// Watch what `files` names, beginning from what was last loaded from it: a change since then is told at once. `changed` is
    /// called on the watching thread and must not block.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        main: &Path,
        seen: &ConfigFiles,
        pace: Pace,
        changed: impl FnMut() + Send + 'static,
    ) -> std::io::Result<Watch> {
        let (end, inputs) = mpsc::sync_channel(EVENTS);
        let events = end.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let input = match event {
                Ok(event) if event.need_rescan() => Input::Rescan,
                Ok(event) if !tells_something(&event.kind) => return,
                Ok(event) => Input::Event(event),
                Err(_) => Input::Rescan,
            };
            // Full: the thread is about to read everything anyway.
            let _ = events.try_send(input);
        });
        let watcher = watcher
            .map_err(|error| tracing::warn!(%error, "directories cannot be watched"))
            .ok();
        let places = seen.last().map(|r| r.places.clone()).unwrap_or_default();
        let mut watching = Watching {
            files: ConfigFiles::new(main),
            seen: seen.last().map(|read| read.hash).ok_or_else(String::new),
            eyes: Eyes {
                watcher,
                places,
                watched: BTreeMap::new(),
                complained: false,
            },
            pace,
            changed,
        };
        // Armed before this returns: what happens from now on is seen.
        watching.eyes.arm();
        let thread = thread::Builder::new()
            .name("ringway-watch".into())
            .spawn(move || watching.run(&inputs))?;
        Ok(Watch {
            end,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Blocks only while the thread reads files.
        let _ = self.end.send(Input::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opening and reading are no changes; our own reading would wake us for ever.
fn tells_something(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    End,
    Event,
    Time,
}

/// Whether to go on after a look.
#[derive(Debug, Clone, Copy)]
enum Looked {
    Done,
    Ended,
}

struct Watching<F> {
    files: ConfigFiles,
    /// What was last told: the hash of the content, or why it could not be read.
    seen: Result<u64, String>,
    eyes: Eyes,
    pace: Pace,
    changed: F,
}

impl<F: FnMut()> Watching<F> {
    fn run(mut self, inputs: &Receiver<Input>) {
        // The first look is for what changed between loading and watching.
        let mut wake = self.wait(inputs, self.pace.quiet);
        loop {
            match wake {
                Wake::End => return,
                Wake::Event => self.look(),
                Wake::Time => match self.look_twice(inputs) {
                    Looked::Done => {}
                    Looked::Ended => return,
                },
            }
            let poll = if self.eyes.complained {
                self.pace.poll.min(POLL_ALONE)
            } else {
                self.pace.poll
            };
            wake = self.wait(inputs, poll);
        }
    }

    /// Wait until something happened and then was quiet, or until `poll` is over.
    fn wait(&self, inputs: &Receiver<Input>, poll: Duration) -> Wake {
        let mut writing = BTreeSet::new();
        let mut deadline = Instant::now() + poll;
        let mut latest = None;
        let mut wake = Wake::Time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = match inputs.recv_timeout(left) {
                Ok(Input::End) | Err(RecvTimeoutError::Disconnected) => return Wake::End,
                Err(RecvTimeoutError::Timeout) => return wake,
                Ok(Input::Rescan) => None,
                Ok(Input::Event(event)) if self.eyes.care(&event) => Some(event),
                Ok(Input::Event(_)) => continue,
            };
            wake = Wake::Event;
            let now = Instant::now();
            let latest = *latest.get_or_insert(now + self.pace.at_most);
            if let Some(event) = event {
                follow_writer(&mut writing, event);
            }
            let pause = if writing.is_empty() {
                self.pace.quiet
            } else {
                self.pace.open_file
            };
            deadline = (now + pause).min(latest);
        }
    }

    /// After events: what is there is what was saved.
    fn look(&mut self) {
        let now = self.read();
        self.tell(now);
    }

    /// Without any event nobody said that a writer is done: what changed must read the same a quiet time later.
    fn look_twice(&mut self, inputs: &Receiver<Input>) -> Looked {
        let mut now = self.read();
        for _ in 0..SETTLE {
            if now == self.seen {
                return Looked::Done;
            }
            if self.wait(inputs, self.pace.quiet) == Wake::End {
                return Looked::Ended;
            }
            let again = self.read();
            if again == now {
                break;
            }
            now = again;
        }
        self.tell(now);
        Looked::Done
    }

    fn tell(&mut self, now: Result<u64, String>) {
        if now != self.seen {
            self.seen = now;
            (self.changed)();
        }
    }

    /// Read, and watch where what was read can change.
    fn read(&mut self) -> Result<u64, String> {
        let mut now = self.load();
        // A place that was not watched while it was read may have changed in between: once more. Links that lead on to new links
        // settle after a few rounds; what still moves then is seen by the poll.
        for _ in 0..3 {
            if !self.eyes.arm() {
                break;
            }
            now = self.load();
        }
        now
    }

    fn load(&mut self) -> Result<u64, String> {
        let loaded = self.files.load()?;
        if let Some(read) = self.files.last() {
            self.eyes.places.clone_from(&read.places);
        }
        Ok(loaded.hash)
    }
}

/// A file that was written to is open until its writer closes it, removes it or puts another in its place.
fn follow_writer(writing: &mut BTreeSet<PathBuf>, event: notify::Event) {
    let began = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
    let ended = matches!(
        event.kind,
        EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    for path in event.paths {
        if began {
            writing.insert(path);
        } else if ended {
            writing.remove(&path);
        }
    }
}

/// The watches on directories.
struct Eyes {
    watcher: Option<RecommendedWatcher>,
    places: Vec<Place>,
    /// Watched directories, with device and inode: a directory made anew under the same name needs a new watch.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// Something cannot be watched; said once.
    complained: bool,
}

impl Eyes {
    /// Watch the directories of `places` and no others. True if one came new.
    fn arm(&mut self) -> bool {
        let Some(watcher) = &mut self.watcher else {
            self.complained = true;
            return false;
        };
        let wanted: BTreeMap<PathBuf, (u64, u64)> = self
            .places
            .iter()
            .filter_map(|place| {
                let directory = fs::metadata(&place.directory).ok()?;
                let identity = (directory.dev(), directory.ino());
                Some((place.directory.clone(), identity))
            })
            .collect();
        let mut came = false;
        self.watched.retain(|directory, identity| {
            let stays = wanted.get(directory) == Some(identity);
            if !stays {
                // An error says that the directory is gone, and its watch with it.
                let _ = watcher.unwatch(directory);
            }
            stays
        });
        for (directory, identity) in wanted {
            if self.watched.contains_key(&directory) {
                continue;
            }
            match watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    came = true;
                    self.watched.insert(directory, identity);
                }
                Err(error) if !self.complained => {
                    self.complained = true;
                    tracing::warn!(
                        directory = %directory.display(), %error,
                        "directory cannot be watched; its files are read every 2 s instead (fs.inotify.max_user_watches?)"
                    );
                }
                Err(_) => {}
            }
        }
        came
    }

    fn care(&self, event: &notify::Event) -> bool {
        event.paths.iter().any(|path| {
            self.places.iter().any(|place| {
                // The directory itself: moved, removed, its permissions changed.
                path == &place.directory
                    || path.parent() == Some(&place.directory) && matters(&place.names, path)
            })
        })
    }
}

fn matters(names: &Names, path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return true;
    };
    match names {
        Names::All => true,
        Names::One(one) => one == name,
        Names::Matching(pattern) => glob::Pattern::new(pattern)
            .map_or(true, |pattern| pattern.matches(&name.to_string_lossy())),
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
