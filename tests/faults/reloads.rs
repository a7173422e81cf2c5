//! A reload every 200 ms under load: two valid files in turn, and one that is refused. Not one request may fail.

use crate::soak;
use ringway_tests::{Load, LoadPlan, Origin, PATIENCE, Proxy, both_drivers, front, until};
use std::time::{Duration, Instant};

both_drivers! {
    fn reloads_cost_no_request_and_no_memory(io) {
        let (one, two) = (Origin::saying("one"), Origin::saying("two"));
        let first = front(&one, "");
        let second = front(&two, "") + "\n[listeners.second]\nbind = \"127.0.0.1:0\"\n\n[[routes]]\nname = \"more\"\n\
            match = { path = \"/never\" }\nrespond = { status = 204 }\n";
        let invalid = front(&one, "balance = \"best\"");
        let proxy = Proxy::start(io, &first);
        let plan = LoadPlan { address: proxy.web(), connections: 4, target: "/".into(), patience: PATIENCE };
        let load = Load::start(&plan);
        until("the load to run", PATIENCE, || (load.good() > 500).then_some(()));
        let (start, mut round, mut warm) = (Instant::now(), 0_u32, None);
        while start.elapsed() < soak() {
            // The pace of the storm, as promised; nothing is waited for.
            std::thread::sleep(Duration::from_millis(200));
            let text = [&first, &second, &invalid][round as usize % 3];
            proxy.scratch.replace("ringway.toml", &proxy.text(text));
            round += 1;
            if round == 9 {
                warm = Some(proxy.memory_kib().0);
            }
        }
        let last = proxy.memory_kib().0;
        proxy.reload(&(front(&two, "") + "\n# the last one\n"));
        let report = load.stop();
        eprintln!("{}: {round} files, {} requests, slowest {:?}, memory {warm:?} -> {last} KiB", io.name(), report.good(), report.slowest);
        assert_eq!(report.bad(), 0, "{report:?}");
        assert!(report.good() > 1000, "{report:?}");
        let metrics = proxy.metrics();
        assert!(metrics.sum("ringway_config_reloads_total", &["applied"]) >= f64::from(round) / 2.0);
        assert!(metrics.sum("ringway_config_reloads_total", &["rejected"]) >= f64::from(round) / 6.0);
        if let Some(warm) = warm {
            assert!(last < warm + 8 * 1024, "memory grows: {warm} KiB after nine files, {last} KiB after {round}");
        }
        until("what the reloads left behind to be gone", PATIENCE, || {
            // Two workers with a listener each, and the pools' idle connections.
            (proxy.metrics().sum("ringway_worker_slots_in_use", &[]) <= 24.0).then_some(())
        });
    }
}
