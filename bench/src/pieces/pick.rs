//! Choosing one of 16 endpoints, and counting on it.

use std::sync::Arc;

use ringway_balancer::{Active, Algorithm, Cursor, Endpoint, Endpoints, Load, Tried};

use super::{Piece, Work};

pub(super) const PIECES: &[Piece] = &[
    Piece {
        name: "pick-p2c",
        about: "the less busy of two, counted in and out",
        work: Work::Step(|| pick(Algorithm::P2c)),
    },
    Piece {
        name: "pick-round-robin",
        about: "the next in turn, counted in and out",
        work: Work::Step(|| pick(Algorithm::RoundRobin)),
    },
];

fn pick(algorithm: Algorithm) -> Box<dyn FnMut() -> usize> {
    let endpoints = (0..16).map(|n| Endpoint {
        weight: 1 + n % 3,
        backup: false,
        load: Arc::new(Load::default()),
    });
    let endpoints = Endpoints::new(algorithm, endpoints.collect());
    let mut cursor = Cursor::default();
    let tried = Tried::default();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    Box::new(move || {
        // An xorshift: cheap, and different each time.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        match endpoints.pick(&mut cursor, dice, &tried) {
            Some(index) => {
                let _active = Active::new(&endpoints.get(index).load);
                index
            }
            None => unreachable!("there are endpoints"),
        }
    })
}
