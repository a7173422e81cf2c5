//! Golden tables of gRPC: timeouts, statuses, messages, and which requests are calls.
#![forbid(unsafe_code)]

use ringway_protocols::grpc::{Status, is_call, put_message, put_timeout, read_timeout};

fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    put(&mut out);
    String::from_utf8(out).expect("ASCII alone is written")
}

#[test]
fn timeouts_are_read() {
    let table: &[(&str, Option<u64>)] = &[
        ("1H", Some(3_600_000_000)),
        ("2M", Some(120_000_000)),
        ("3S", Some(3_000_000)),
        ("4m", Some(4_000)),
        ("5u", Some(5)),
        ("6000n", Some(6)),
        ("1n", Some(1)),
        ("1001n", Some(2)),
        ("0n", Some(0)),
        ("0S", Some(0)),
        ("007m", Some(7_000)),
        ("99999999H", Some(359_999_996_400_000_000)),
        ("99999999n", Some(100_000)),
        ("100000000u", None),
        ("000000001u", None),
        ("", None),
        ("S", None),
        ("1", None),
        ("1s", None),
        ("1h", None),
        ("1.5S", None),
        ("-1S", None),
        ("+1S", None),
        (" 1S", None),
        ("1 S", None),
        ("1S ", None),
        ("1SS", None),
        ("1ms", None),
        ("1\u{e9}", None),
    ];
    for (value, expected) in table {
        assert_eq!(read_timeout(value.as_bytes()), *expected, "{value:?}");
    }
}

#[test]
fn timeouts_are_written_in_the_finest_unit_that_has_room() {
    let table: &[(u64, &str)] = &[
        (0, "1u"),
        (1, "1u"),
        (99_999_999, "99999999u"),
        (100_000_000, "100000m"),
        (100_000_999, "100000m"),
        (99_999_999_999, "99999999m"),
        (100_000_000_000, "100000S"),
        (99_999_999_999_999, "99999999S"),
        (100_000_000_000_000, "1666666M"),
        (6_000_000_000_000_000, "1666666H"),
        (u64::MAX, "99999999H"),
    ];
    for (us, expected) in table {
        let text = written(|out| put_timeout(out, *us));
        assert_eq!(text, *expected, "{us}");
    }
}

#[test]
fn what_was_written_is_read_as_no_more() {
    for shift in 0..64 {
        for us in [1_u64 << shift, (1 << shift) + 1, u64::MAX >> shift] {
            let text = written(|out| put_timeout(out, us));
            let read = read_timeout(text.as_bytes()).expect("it is written as it is read");
            assert!(read <= us && read >= us / 1_000_000, "{us}: {text}");
        }
    }
}

#[test]
fn statuses_are_read_by_their_code() {
    for (at, status) in Status::ALL.iter().enumerate() {
        assert_eq!(*status as usize, at);
        if *status != Status::Other {
            assert_eq!(status.code(), at.to_string());
            assert_eq!(Status::read(status.code().as_bytes()), *status);
        }
    }
    for value in [
        "", "17", "20", "00", "01", "014", "-1", "1 ", "OK", "\u{e9}",
    ] {
        assert_eq!(Status::read(value.as_bytes()), Status::Other, "{value:?}");
    }
}

#[test]
fn calls_are_told_a_status_for_each_of_http() {
    let table = [
        (400, "INTERNAL"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "UNIMPLEMENTED"),
        (408, "UNKNOWN"),
        (413, "UNKNOWN"),
        (429, "RESOURCE_EXHAUSTED"),
        (431, "UNKNOWN"),
        (500, "UNKNOWN"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (508, "ABORTED"),
    ];
    for (http, name) in table {
        assert_eq!(Status::of_http(http).name(), name, "{http}");
    }
}

#[test]
fn messages_are_percent_encoded() {
    let table: &[(&str, &str)] = &[
        ("", ""),
        ("no route ~ here!", "no route ~ here!"),
        ("100 %", "100 %25"),
        ("a\r\nb\t\0\x7f", "a%0D%0Ab%09%00%7F"),
        ("gr\u{fc}n", "gr%C3%BCn"),
    ];
    for (text, expected) in table {
        let message = written(|out| put_message(out, text.as_bytes()));
        assert_eq!(message, *expected, "{text:?}");
    }
}

#[test]
fn calls_are_known_by_their_content_type() {
    let table = [
        ("POST", "application/grpc", true),
        ("POST", "application/grpc+proto", true),
        ("POST", "Application/GRPC+json", true),
        ("POST", "application/grpc;charset=utf-8", true),
        ("POST", "application/grpc ; a=b", true),
        ("POST", "application/grpc-web", false),
        ("POST", "application/grpc-web-text+proto", false),
        ("POST", "application/grpcx", false),
        ("POST", "application/grp", false),
        ("POST", "text/plain", false),
        ("POST", "", false),
        ("GET", "application/grpc", false),
        ("post", "application/grpc", false),
    ];
    for (method, content_type, expected) in table {
        let found = is_call(method.as_bytes(), content_type.as_bytes());
        assert_eq!(found, expected, "{method} {content_type}");
    }
}
