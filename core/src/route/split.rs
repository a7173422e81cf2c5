//! A weighted split over clusters. Not load balancing: which endpoint of the cluster comes later, in the balancer.

use ringway_config::Target;

/// Which target of a weighted split takes an exchange.
///
/// Targets are laid end to end over all 64-bit draws, each as long as its weight, in the order of their cluster index
/// (their order in the route does not matter). So with a hash as the draw a value keeps its target over reloads and in
/// every process as long as the weights stay; when weights move between two targets, only the values in between move.
#[derive(Debug, Clone)]
pub struct Split {
    /// Sum of the weights up to and with this target, and its cluster. Ascending; targets of weight 0 are left out.
    ends: Vec<(u64, usize)>,
    /// For a split that no target has a weight in: the first target, or 0.
    otherwise: usize,
}

impl Split {
    /// At least one weight is above 0 in a checked configuration; if not, the first target takes everything.
    pub fn compile(targets: &[Target]) -> Self {
        let mut weighted: Vec<Target> = targets.iter().copied().filter(|t| t.weight > 0).collect();
        weighted.sort_by_key(|t| t.cluster);
        let mut sum = 0;
        let ends = weighted.into_iter().map(|target| {
            sum += u64::from(target.weight);
            (sum, target.cluster)
        });
        Split {
            ends: ends.collect(),
            otherwise: targets.first().map_or(0, |t| t.cluster),
        }
    }

    /// One target only: the draw does not matter.
    pub(crate) fn is_single(&self) -> bool {
        self.ends.len() <= 1
    }

    /// The index of the cluster for this draw: a random number, or [`hash_for_split`] of the value to split by.
    /// All 64 bits count, the high ones most.
    pub fn choose(&self, draw: u64) -> usize {
        let Some(&(total, _)) = self.ends.last() else {
            return self.otherwise;
        };
        let point = ((u128::from(draw) * u128::from(total)) >> 64) as u64;
        let at = self.ends.partition_point(|&(end, _)| end <= point);
        self.ends
            .get(at)
            .map_or(self.otherwise, |&(_, cluster)| cluster)
    }
}

/// The hash of a value to split by: FNV-1a with 64 bits (offset 0xcbf29ce484222325, prime 0x100000001b3), then the
/// finaliser of splitmix64 so that short values spread over the high bits too. Fixed for good: users stay on their side.
/// Not a defence: whoever chooses the value can choose the side.
pub fn hash_for_split(value: &[u8]) -> u64 {
    let mut hash = value.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(targets: &[(usize, u32)]) -> Split {
        let targets: Vec<Target> = targets
            .iter()
            .map(|&(cluster, weight)| Target { cluster, weight })
            .collect();
        Split::compile(&targets)
    }

    #[test]
    fn draws_as_a_table() {
        const HALF: u64 = 1 << 63;
        type Weights = &'static [(usize, u32)];
        // targets (cluster, weight), draw, cluster expected
        let cases: &[(Weights, u64, usize)] = &[
            (&[(4, 1)], 0, 4),
            (&[(4, 1)], u64::MAX, 4),
            (&[(0, 1), (1, 1)], HALF - 1, 0),
            (&[(0, 1), (1, 1)], HALF, 1),
            (&[(1, 1), (0, 1)], HALF - 1, 0),
            (&[(0, 0), (1, 5)], 0, 1),
            (&[(0, 5), (1, 0)], u64::MAX, 0),
            (&[(2, 1), (2, 1)], HALF, 2),
            (&[(0, u32::MAX), (1, u32::MAX)], u64::MAX, 1),
            (&[(3, 0), (2, 0)], 7, 3),
            (&[], 7, 0),
        ];
        for (targets, draw, expected) in cases {
            assert_eq!(
                split(targets).choose(*draw),
                *expected,
                "{targets:?} {draw:#x}"
            );
        }
    }

    #[test]
    fn hashes_are_fixed_for_good() {
        // Computed apart, by a few lines of Python.
        let cases: &[(&str, u64)] = &[
            ("", 0xf52a_15e9_a9b5_e89b),
            ("a", 0x02c0_bdbf_4814_20f8),
            ("user-4711", 0xd5ae_9cf0_8165_77f5),
        ];
        for (value, expected) in cases {
            assert_eq!(hash_for_split(value.as_bytes()), *expected, "{value}");
        }
    }

    #[test]
    fn hashed_values_get_their_shares() {
        let split = split(&[(0, 95), (1, 5)]);
        let users = 100_000;
        let canary = (0..users)
            .filter(|i| split.choose(hash_for_split(format!("user-{i}").as_bytes())) == 1)
            .count();
        // Binomial: 5000 expected, deviation 69; four of them.
        assert!(canary.abs_diff(5000) < 276, "{canary}");
    }

    #[test]
    fn a_growing_target_keeps_its_users() {
        let (before, after) = (split(&[(0, 95), (1, 5)]), split(&[(1, 60), (0, 40)]));
        for i in 0..10_000 {
            let draw = hash_for_split(format!("{i}").as_bytes());
            assert!(before.choose(draw) == 0 || after.choose(draw) == 1);
        }
    }
}
