//! Reading the configuration's files: order, bounds, errors as people see them, places to watch.

use super::*;
use crate::control::scratch::Scratch;
use std::os::unix::fs::symlink;

fn texts(main: &Path) -> Vec<String> {
    let read = read(main).unwrap();
    read.sources.into_iter().map(|s| s.text).collect()
}

#[test]
fn included_files_are_sorted_and_read_once() {
    let dir = Scratch::new();
    let main = dir.write(
        "ringway.toml",
        "include = [\"conf.d/*.toml\", \"conf.d/b.toml\", \"*.toml\"]\n",
    );
    fs::create_dir(dir.join("conf.d")).unwrap();
    fs::create_dir(dir.join("conf.d/folder.toml")).unwrap();
    dir.write("conf.d/b.toml", "# b");
    dir.write("conf.d/a.toml", "# a");
    dir.write("conf.d/.hidden.toml", "# hidden");
    symlink("nowhere", dir.join("conf.d/.#a.toml")).unwrap();
    dir.write("z.toml", "# z");
    assert_eq!(texts(&main)[1..], ["# a", "# b", "# z"]);
}

#[test]
fn a_folder_with_the_letters_of_a_pattern() {
    let dir = Scratch::new();
    fs::create_dir(dir.join("[x]*")).unwrap();
    let main = dir.write("[x]*/ringway.toml", "include = [\"*.inc\"]\n");
    dir.write("[x]*/a.inc", "# a");
    assert_eq!(texts(&main)[1..], ["# a"]);
    let place = Place {
        directory: dir.join("[x]*"),
        names: Names::Matching("*.inc".into()),
    };
    assert!(read(&main).unwrap().places.contains(&place));
}

#[test]
fn one_clear_line_for_what_cannot_be_read() {
    let dir = Scratch::new();
    let include = dir.write("include.toml", "include = [\"missing.toml\"]\n");
    let pattern = dir.write("pattern.toml", "include = [\"a[.toml\"]\n");
    let bytes = dir.join("bytes.toml");
    fs::write(&bytes, b"a = 1\nb = \"\xff\"\n").unwrap();
    let cases = [
        (dir.join("no.toml"), "no.toml: no such file"),
        (dir.to_path_buf(), ": is a directory, not a file"),
        (bytes, "bytes.toml:2: not UTF-8 text"),
        (
            include,
            "include.toml: include = \"missing.toml\": no such file",
        ),
        (pattern, "pattern.toml: include = \"a[.toml\": "),
    ];
    for (path, expected) in cases {
        let said = read(&path).unwrap_err();
        assert!(said.contains(expected), "{said:?}: expected {expected:?}");
        assert_eq!(said.lines().count(), 1, "{said:?}");
    }
}

#[test]
fn a_file_may_not_be_endless() {
    let said = read_bounded(Path::new("/dev/zero"), 1 << 20).unwrap_err();
    assert_eq!(said, "is larger than 1024 KiB");
}

#[test]
fn the_hash_is_of_content_and_of_where_files_end() {
    let sum = |parts: &[&str]| {
        let mut hash = Fnv::default();
        parts.iter().for_each(|part| hash.part(part.as_bytes()));
        hash.0
    };
    assert_eq!(sum(&["a", "b"]), sum(&["a", "b"]));
    assert_ne!(sum(&["a", "b"]), sum(&["ab", ""]));
    assert_ne!(sum(&["a", "b"]), sum(&["b", "a"]));
    assert_ne!(sum(&["a"]), sum(&["a", ""]));
}

#[test]
fn every_link_on_the_way_is_a_place() {
    let dir = Scratch::new();
    fs::create_dir(dir.join("..1")).unwrap();
    dir.write("..1/ringway.toml", "");
    symlink("..1", dir.join("..data")).unwrap();
    symlink("..data/ringway.toml", dir.join("ringway.toml")).unwrap();
    let mut places = BTreeSet::new();
    add_places(&dir.join("ringway.toml"), &mut places);
    let found: Vec<_> = places
        .iter()
        .map(|p| match &p.names {
            Names::One(name) => p.directory.join(name),
            _ => panic!("{p:?}"),
        })
        .collect();
    let expected = ["..data", "ringway.toml", "..1/ringway.toml"].map(|n| dir.join(n));
    for place in &expected {
        assert!(found.contains(place), "{place:?} in {found:?}");
    }
}

#[test]
fn a_circle_of_links_ends() {
    let dir = Scratch::new();
    symlink("b", dir.join("a")).unwrap();
    symlink("a", dir.join("b")).unwrap();
    let mut places = BTreeSet::new();
    add_places(&dir.join("a"), &mut places);
    assert_eq!(places.len(), 2);
    assert!(read(&dir.join("a")).is_err());
}

#[test]
fn secrets() {
    let dir = Scratch::new();
    let main = dir.join("ringway.toml");
    dir.write("token", "from the file\r\n");
    dir.write("empty", "\n");
    let cases = [
        (Secret::Literal("plain".into()), Ok("plain")),
        (Secret::File("token".into()), Ok("from the file")),
        (Secret::File(dir.join("token")), Ok("from the file")),
        (Secret::File("empty".into()), Err("the secret is empty")),
        (Secret::File("missing".into()), Err("missing: no such file")),
        (
            Secret::Env("RINGWAY_TEST_NOT_SET".into()),
            Err("RINGWAY_TEST_NOT_SET is not set"),
        ),
    ];
    for (secret, expected) in cases {
        match (resolve(&secret, &main), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(why), Err(expected)) => assert!(why.ends_with(expected), "{why}"),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    }
}
