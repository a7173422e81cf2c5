//! Every subject of the comparison really relays: the load compares each answer byte by byte and ends the run otherwise.
//! What is measured in so short a run says nothing, and is not looked at.

use std::process::Command;

fn compare(subjects: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringway-bench"))
        .args(["runtimes", "--rounds", "1", "--turn-ms", "60"])
        .args(["--connections", "3", "--core", "0", "--load-core", "0"])
        .args(["--subjects", subjects])
        .output()
        .expect("the program was built for this test");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn subjects_on_epoll_relay_and_forward() {
    let (ok, said) = compare("ringway-epoll,monoio-epoll,tokio");
    assert!(ok, "{said}");
    for row in ["| ringway-epoll |", "| monoio-epoll |", "| tokio |"] {
        assert_eq!(said.matches(row).count(), 2, "{row} in\n{said}");
    }
}

#[test]
fn subjects_on_io_uring_relay_and_forward() {
    if !ringway_io::probe()
        .uring
        .is_ok_and(|found| found.suffices())
    {
        eprintln!("left out: io_uring is not usable here");
        return;
    }
    let (ok, said) = compare("ringway-uring,monoio-uring,tokio-uring,compio");
    assert!(ok, "{said}");
    assert_eq!(said.matches("| compio |").count(), 2, "{said}");
}
