//! Time per operation of each piece, by Criterion: `cargo bench -p ringway-bench`. The numbers move with the machine's mood;
//! `ringway-bench instructions` counts what does not.
#![forbid(unsafe_code)]

#[path = "../src/pieces/mod.rs"]
mod pieces;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pieces::Work;

fn bench(criterion: &mut Criterion) {
    for piece in pieces::all() {
        if let Err(error) = pieces::repeat(piece, 1) {
            // A driver that this kernel does not have.
            eprintln!("{} is left out: {error}", piece.name);
            continue;
        }
        eprintln!("\n{}: {}", piece.name, piece.about);
        criterion.bench_function(piece.name, |bencher| match piece.work {
            Work::Step(make) => {
                let mut step = make();
                bencher.iter(&mut step);
            }
            Work::Worker(run) => bencher.iter_custom(|times| {
                let started = Instant::now();
                let done = run(times);
                assert!(done.is_ok(), "{}: {done:?}", piece.name);
                started.elapsed()
            }),
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = bench
}
criterion_main!(benches);
