//! Choosing, from outside: shares with fixed dice and bounds that can fail, retries, backups, levelling of load.
//! Not the tables inside, which are tested where they are made.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::Arc;

use ringway_balancer::{Active, Algorithm, Cursor, Endpoint, Endpoints, Load, Tried};

const ALL: [Algorithm; 3] = [Algorithm::P2c, Algorithm::RoundRobin, Algorithm::Random];

fn endpoint(weight: u32, backup: bool) -> Endpoint {
    Endpoint {
        weight,
        backup,
        load: Arc::new(Load::default()),
    }
}

fn cluster(algorithm: Algorithm, weights: &[u32]) -> Endpoints {
    Endpoints::new(
        algorithm,
        weights.iter().map(|&w| endpoint(w, false)).collect(),
    )
}

/// Counts of `rounds` first picks with dice 0, 1, 2, ...
fn counts(endpoints: &Endpoints, rounds: u64) -> Vec<u64> {
    let mut cursor = Cursor::default();
    let mut counts = vec![0; endpoints.len()];
    for dice in 0..rounds {
        counts[endpoints
            .pick(&mut cursor, dice, &Tried::default())
            .expect("an endpoint")] += 1;
    }
    counts
}

fn chi_square(counts: &[u64], weights: &[u32]) -> f64 {
    let rounds: u64 = counts.iter().sum();
    let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
    let each = counts.iter().zip(weights).map(|(&count, &weight)| {
        let due = rounds as f64 * f64::from(weight) / total as f64;
        (count as f64 - due).powi(2) / due
    });
    each.sum()
}

#[test]
fn idle_endpoints_get_their_shares() {
    let cases: &[&[u32]] = &[
        &[1, 1],
        &[1, 3],
        &[95, 5],
        &[1, 1, 8],
        &[3, 1, 4, 1, 5, 9, 2, 6],
        &[1; 16],
    ];
    for weights in cases {
        for algorithm in ALL {
            let counts = counts(&cluster(algorithm, weights), 50_000);
            // 0.1 % points of chi square with 1, 2, 7 and 15 degrees of freedom, rounded up.
            let bound = [11.0, 14.0, 25.0, 38.0][[2, 3, 8, 16]
                .iter()
                .position(|&n| n == weights.len())
                .unwrap()];
            let found = chi_square(&counts, weights);
            assert!(
                found < bound,
                "{algorithm:?} {weights:?} {counts:?} {found}"
            );
        }
    }
}

#[test]
fn the_bound_would_notice_a_wrong_share() {
    let even = counts(&cluster(Algorithm::Random, &[1, 1]), 50_000);
    assert!(chi_square(&even, &[52, 48]) > 11.0);
}

#[test]
fn round_robin_is_exact_and_workers_start_apart() {
    let endpoints = cluster(Algorithm::RoundRobin, &[1, 1, 1, 1]);
    let mut starts = HashSet::new();
    for worker in 0..20 {
        let mut cursor = Cursor::default();
        let seen: Vec<usize> = (0..8)
            .map(|i| {
                endpoints
                    .pick(&mut cursor, worker + i, &Tried::default())
                    .unwrap()
            })
            .collect();
        assert!(
            seen.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 4),
            "{seen:?}"
        );
        starts.insert(seen[0]);
    }
    assert_eq!(starts.len(), 4);
}

#[test]
fn p2c_levels_what_runs() {
    // (weights, exchanges held at once, allowed deviation from the due number)
    let cases: &[(&[u32], usize, f64)] = &[
        (&[1; 10], 1000, 4.0),
        (&[1, 3], 400, 3.0),
        (&[5, 10, 20, 40], 750, 8.0),
        (&[2, 1], 3, 1.0),
    ];
    for (weights, held, allowed) in cases {
        let endpoints = cluster(Algorithm::P2c, weights);
        let mut running: Vec<Active<'_>> = Vec::new();
        for dice in 0..(*held as u64 * 20) {
            if running.len() == *held {
                // Ends in an order that has nothing to do with the endpoints.
                running
                    .swap_remove((dice.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % held);
            }
            let index = endpoints
                .pick(&mut Cursor::default(), dice, &Tried::default())
                .unwrap();
            running.push(Active::new(&endpoints.get(index).load));
        }
        let total: u32 = weights.iter().sum();
        for (index, &weight) in weights.iter().enumerate() {
            let due = *held as f64 * f64::from(weight) / f64::from(total);
            let now = f64::from(endpoints.get(index).load.active());
            assert!(
                (now - due).abs() <= *allowed,
                "{weights:?}: {index} has {now}, due {due}"
            );
        }
    }
}

#[test]
fn p2c_avoids_a_busy_one_of_two() {
    for weights in [[1, 1], [1, 1_000_000], [1_000_000, 1]] {
        let endpoints = cluster(Algorithm::P2c, &weights);
        let _busy: Vec<Active<'_>> = (0..1000)
            .map(|_| Active::new(&endpoints.get(0).load))
            .collect();
        let counts = counts(&endpoints, 1000);
        let expected = if weights[0] > weights[1] { 1000 } else { 0 };
        // With a millionfold weight, a thousand exchanges are still less busy than one on the other.
        assert_eq!(counts[0], expected, "{weights:?}");
    }
}

#[test]
fn never_the_same_twice_while_another_is_untried() {
    let shapes: &[&[u32]] = &[&[1], &[1, 1], &[1, 1_000_000], &[5, 1, 1, 3], &[1; 12]];
    for weights in shapes {
        for algorithm in ALL {
            let endpoints = cluster(algorithm, weights);
            let mut cursor = Cursor::default();
            for seed in 0..200u64 {
                let mut tried = Tried::default();
                for attempt in 0..weights.len() as u64 {
                    let index = endpoints
                        .pick(&mut cursor, seed * 31 + attempt, &tried)
                        .unwrap();
                    assert!(!tried.contains(index), "{algorithm:?} {weights:?}");
                    tried.mark(index);
                }
                assert!(
                    endpoints.pick(&mut cursor, seed, &tried).is_some(),
                    "all tried: one of them"
                );
            }
        }
    }
}

#[test]
fn backups_only_after_every_primary() {
    for algorithm in ALL {
        let list = vec![
            endpoint(1, true),
            endpoint(1, false),
            endpoint(7, true),
            endpoint(2, false),
            endpoint(0, false),
        ];
        let endpoints = Endpoints::new(algorithm, list);
        let mut cursor = Cursor::default();
        for dice in 0..200 {
            let mut tried = Tried::default();
            let mut order = Vec::new();
            for attempt in 0..4 {
                let index = endpoints
                    .pick(&mut cursor, dice * 7 + attempt, &tried)
                    .unwrap();
                tried.mark(index);
                order.push(index);
            }
            order[..2].sort_unstable();
            order[2..].sort_unstable();
            assert_eq!(order, [1, 3, 0, 2], "{algorithm:?}");
            let again = endpoints.pick(&mut cursor, dice, &tried).unwrap();
            assert!(
                [1, 3].contains(&again),
                "when all were tried, a primary again"
            );
        }
    }
}

#[test]
fn a_cluster_of_backups_only_uses_them() {
    for algorithm in ALL {
        let endpoints = Endpoints::new(algorithm, vec![endpoint(1, true)]);
        let mut tried = Tried::default();
        tried.mark(0);
        assert_eq!(
            endpoints.pick(&mut Cursor::default(), 1, &Tried::default()),
            Some(0)
        );
        assert_eq!(endpoints.pick(&mut Cursor::default(), 1, &tried), Some(0));
    }
}

#[test]
fn nothing_to_choose() {
    for algorithm in ALL {
        let mut tried = Tried::default();
        for weights in [&[][..], &[0], &[0, 0]] {
            let endpoints = cluster(algorithm, weights);
            assert_eq!(endpoints.pick(&mut Cursor::default(), 5, &tried), None);
            tried.mark(0);
            assert_eq!(endpoints.pick(&mut Cursor::default(), 5, &tried), None);
            assert_eq!(
                (endpoints.len(), endpoints.is_empty()),
                (weights.len(), weights.is_empty())
            );
        }
    }
}

#[test]
fn a_retry_keeps_to_the_weights_of_the_rest() {
    let mut tried = Tried::default();
    tried.mark(0);
    for algorithm in [Algorithm::P2c, Algorithm::Random] {
        let endpoints = cluster(algorithm, &[1_000, 1, 3]);
        let mut counts = [0u64; 3];
        for dice in 0..20_000 {
            counts[endpoints
                .pick(&mut Cursor::default(), dice, &tried)
                .unwrap()] += 1;
        }
        assert_eq!(counts[0], 0);
        assert!(
            chi_square(&counts[1..], &[1, 3]) < 11.0,
            "{algorithm:?} {counts:?}"
        );
    }
}
