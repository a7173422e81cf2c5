//! `ringway cert` makes what `ringway check` finds good; and check says what is wrong with files that are not, before a start does. Not what is
//! spoken with them (`tls`).

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use ringway_tests::{Scratch, binary};

const CONFIG: &str = r#"
[listeners.mesh]
bind = ":15006"
tls  = "mesh"
to   = "app"

[clusters.app]
endpoints = ["127.0.0.1:8080"]
tls       = { use = "mesh", identity = "spiffe://example.org/app" }

[tls.mesh]
certificates = [{ cert = "shop.pem", key = "shop.key" }]
trust        = ["ca.pem"]
client_cert  = "required"
"#;

/// Exit code, and what was said on both outputs.
fn ringway(scratch: &Scratch, line: &str) -> (Option<i32>, String) {
    let done = Command::new(binary())
        .current_dir(scratch.path())
        .args(line.split(' '))
        .output()
        .expect("the binary runs");
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn made() -> Scratch {
    let scratch = Scratch::new();
    for line in ["cert ca", "cert issue spiffe://example.org/shop"] {
        let (code, said) = ringway(&scratch, line);
        assert_eq!(code, Some(0), "{said}");
    }
    scratch.write("ringway.toml", CONFIG);
    scratch
}

#[test]
fn what_cert_makes_check_finds_good() {
    let scratch = made();
    let (code, said) = ringway(&scratch, "check ringway.toml");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning"), "{said}");
    for file in ["ca.pem", "ca.key", "shop.pem", "shop.key"] {
        let mode = std::fs::metadata(scratch.file(file))
            .expect("it was made")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let (code, said) = ringway(&scratch, "cert issue spiffe://example.org/shop");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--force"), "{said}");
}

#[test]
fn check_says_what_is_wrong_with_each_file() {
    for (spoil, expected) in [
        ("cert ca --force", None),
        ("cert self-signed shop --force", None),
        ("rm shop.key", Some("no such file")),
        (
            "swap",
            Some("private key that is not that of the certificate"),
        ),
        ("authority", Some("certificate of an authority")),
        ("garbage", Some("ca.pem holds no certificate")),
    ] {
        let scratch = made();
        let copy = |from: &str, to: &str| {
            std::fs::copy(scratch.file(from), scratch.file(to)).expect("both are there");
        };
        match spoil {
            "rm shop.key" => std::fs::remove_file(scratch.file("shop.key")).expect("there"),
            "swap" => copy("ca.key", "shop.key"),
            "authority" => copy("ca.pem", "shop.pem"),
            "garbage" => drop(scratch.write("ca.pem", "nothing")),
            line => assert_eq!(ringway(&scratch, line).0, Some(0)),
        }
        let (code, said) = ringway(&scratch, "check ringway.toml");
        match expected {
            None => assert_eq!(code, Some(0), "{spoil}: {said}"),
            Some(words) => {
                assert_eq!(code, Some(1), "{spoil}: {said}");
                assert!(said.contains(words), "{spoil}: {said}");
                assert!(said.contains("ringway.toml:"), "{spoil}: {said}");
            }
        }
        assert!(!said.contains("BEGIN"), "{said}");
        let (code, said) = ringway(&scratch, "check --no-certificates ringway.toml");
        assert_eq!(code, Some(0), "{spoil}: {said}");
    }
}
