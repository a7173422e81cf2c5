//! What the doctor says to facts, as a table: one fact changed at a time on a machine that has everything.

use super::*;
use ringway_io::Probe;

fn good() -> Facts {
    Facts {
        probe: Probe {
            kernel: "6.18.44".into(),
            uring: Ok(every_feature()),
        },
        io_uring_disabled: Some(0),
        seccomp: Some(0),
        open_files: Some((1 << 20, 1 << 20)),
        somaxconn: Some(4096),
        local_ports: Some((32768, 60999)),
        unprivileged_port: Some(1024),
        may_bind_low: Some(true),
        may_intercept: Some(true),
        rules_program: Some("nft"),
        cores: Some(8),
        allowed_cores: Some(8),
        cpu_quota: None,
        memory_limit: None,
        inotify: Some((128, 65536)),
    }
}

fn every_feature() -> UringFeatures {
    UringFeatures {
        defer_taskrun: true,
        registered_ring: true,
        no_sqarray: true,
        multishot_accept: true,
        multishot_recv: true,
        recv_credit: true,
        buffer_ring: true,
    }
}

#[test]
fn a_good_machine_has_nothing_to_improve() {
    for finding in judge(&good()) {
        assert_eq!(finding.level, Level::Ok, "{finding:?}");
        assert_eq!(finding.fix, None, "{finding:?}");
    }
    assert_eq!(judge(&good()).len(), 11);
}

type Change = fn(&mut Facts);

#[test]
fn one_fact_at_a_time() {
    let no_uring: fn(&mut Facts) = |f| f.probe.uring = Err("EPERM".into());
    #[rustfmt::skip]
    let cases: &[(&str, Change, Level, &str)] = &[
        ("kernel", |f| f.probe.kernel = "5.15.0-91-generic".into(), Level::Warn, "6.1"),
        ("interception", |f| f.rules_program = None, Level::Ok, "nftables"),
        ("interception", |f| f.may_intercept = Some(false), Level::Ok, "CAP_NET_ADMIN"),
        ("kernel", |f| f.probe.kernel = "6.0.19".into(), Level::Warn, "6.1"),
        ("kernel", |f| f.probe.kernel = "unreadable".into(), Level::Warn, "6.1"),
        ("io_uring", no_uring, Level::Warn, "server.io"),
        ("io_uring", |f| { f.probe.uring = Err("EPERM".into()); f.io_uring_disabled = Some(1); }, Level::Warn, "io_uring_group"),
        ("io_uring", |f| { f.probe.uring = Err("EPERM".into()); f.io_uring_disabled = Some(2); }, Level::Warn, "io_uring_disabled=0"),
        ("io_uring", |f| { f.probe.uring = Err("EPERM".into()); f.seccomp = Some(2); }, Level::Warn, "io_uring_setup"),
        // A filter that lets io_uring through is nobody's business.
        ("io_uring", |f| f.seccomp = Some(2), Level::Ok, ""),
        ("features", |f| f.probe.uring = Ok(UringFeatures { recv_credit: false, ..every_feature() }), Level::Ok, ""),
        ("features", |f| f.probe.uring = Ok(UringFeatures { multishot_recv: false, ..every_feature() }), Level::Warn, "6.1"),
        ("open files", |f| f.open_files = Some((256, 256)), Level::Fail, "LimitNOFILE"),
        ("open files", |f| f.open_files = Some((1024, 524_288)), Level::Warn, "ulimit -n"),
        ("open files", |f| f.open_files = Some((u64::MAX, u64::MAX)), Level::Ok, ""),
        ("accept queue", |f| f.somaxconn = Some(128), Level::Warn, "net.core.somaxconn=4096"),
        ("local ports", |f| f.local_ports = Some((50_000, 60_000)), Level::Warn, "ip_local_port_range"),
        ("local ports", |f| f.local_ports = Some((2, 1)), Level::Warn, "ip_local_port_range"),
        ("low ports", |f| f.may_bind_low = Some(false), Level::Warn, "CAP_NET_BIND_SERVICE"),
        ("low ports", |f| { f.may_bind_low = Some(false); f.unprivileged_port = Some(0); }, Level::Ok, ""),
        ("cores", |f| f.allowed_cores = Some(2), Level::Ok, ""),
        ("cores", |f| f.cpu_quota = Some(CpuQuota { quota: 250_000, period: 100_000 }), Level::Warn, "server.workers = 2"),
        ("cores", |f| f.cpu_quota = Some(CpuQuota { quota: 50_000, period: 100_000 }), Level::Warn, "server.workers = 1"),
        ("cores", |f| f.cpu_quota = Some(CpuQuota { quota: 800_000, period: 100_000 }), Level::Ok, ""),
        ("cores", |f| f.cpu_quota = Some(CpuQuota { quota: 1, period: 0 }), Level::Ok, ""),
        ("memory", |f| f.memory_limit = Some(1 << 30), Level::Ok, ""),
        ("memory", |f| f.memory_limit = Some(128 << 20), Level::Warn, "server.workers = 2"),
        ("memory", |f| f.memory_limit = Some(8 << 20), Level::Fail, "MemoryMax"),
        ("file watches", |f| f.inotify = Some((8, 65536)), Level::Warn, "max_user_instances"),
    ];
    for (subject, change, level, fix) in cases {
        let mut facts = good();
        change(&mut facts);
        let findings = judge(&facts);
        let finding = findings.iter().find(|f| f.subject == *subject).unwrap();
        assert_eq!(finding.level, *level, "{finding:?}");
        let said = finding.fix.as_ref().unwrap_or(&finding.text);
        assert!(said.contains(fix), "{finding:?}: expected {fix:?}");
        assert_eq!(finding.fix.is_some(), *level != Level::Ok, "{finding:?}");
        let others = findings.iter().filter(|f| f.subject != *subject);
        assert!(others.clone().all(|f| f.level == Level::Ok), "{findings:?}");
    }
}

#[test]
fn facts_that_cannot_be_read_are_left_out() {
    let facts = Facts {
        io_uring_disabled: None,
        seccomp: None,
        open_files: None,
        somaxconn: None,
        local_ports: None,
        unprivileged_port: None,
        may_bind_low: None,
        may_intercept: None,
        cores: None,
        allowed_cores: None,
        cpu_quota: None,
        memory_limit: None,
        inotify: None,
        ..good()
    };
    let subjects: Vec<_> = judge(&facts).iter().map(|f| f.subject).collect();
    assert_eq!(subjects, ["kernel", "io_uring", "features", "memory"]);
}
