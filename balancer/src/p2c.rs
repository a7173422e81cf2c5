//! Power of two choices (Mitzenmacher 2001): of two endpoints drawn by weight, the less busy one.
//! Not least-loaded over all: looking at everyone makes every worker rush to the same endpoint.

use crate::cluster::Tier;
use crate::draw::Dice;
use crate::endpoint::Endpoint;

/// Draws for the second candidate before a neighbour is taken. A second draw equals the first with the first's share
/// as probability, so this is reached only where one endpoint has nearly all of the weight.
const REDRAWS: usize = 4;

/// A position in `tier` (which has at least one member).
///
/// The rule is "least (active + 1) / weight", with one twist: the first candidate, drawn by weight, is kept unless the
/// second, *with* this exchange, would be no busier than the first is *without* it. For equal weights that is exactly
/// "the one with fewer". For unequal ones the plain rule would send a lone client's requests to the heaviest endpoint
/// only; this one gives shares in proportion to weights when nobody is busy, and levels load per weight when they are.
pub(crate) fn pick(tier: &Tier, endpoints: &[Endpoint], dice: &mut Dice) -> usize {
    let first = tier.weighted.draw(dice);
    if tier.members.len() == 1 {
        return first;
    }
    let second = other(tier, first, dice);
    let (a, b) = (
        tier.endpoint(first, endpoints),
        tier.endpoint(second, endpoints),
    );
    if less_busy(b, a) { second } else { first }
}

/// Whether `b` with one more exchange is at most as busy, per weight, as `a` is now.
pub(crate) fn less_busy(b: &Endpoint, a: &Endpoint) -> bool {
    let b_after = (u64::from(b.load.active()) + 1) * u64::from(a.weight);
    let a_now = u64::from(a.load.active()) * u64::from(b.weight);
    b_after <= a_now
}

/// A position that is not `first`; there are at least two.
fn other(tier: &Tier, first: usize, dice: &mut Dice) -> usize {
    for _ in 0..REDRAWS {
        let drawn = tier.weighted.draw(dice);
        if drawn != first {
            return drawn;
        }
    }
    let len = tier.members.len();
    let step = 1 + dice.below(len as u64 - 1) as usize;
    (first + step) % len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Active, Load};
    use std::sync::Arc;

    #[test]
    fn the_rule_as_a_table() {
        // (weight a, active a), (weight b, active b), whether b is taken instead of a
        let cases = [
            ((1, 0), (1, 0), false),
            ((1, 1), (1, 0), true),
            ((1, 1), (1, 1), false),
            ((1, 5), (1, 3), true),
            ((3, 0), (1, 0), false),
            ((1, 0), (3, 0), false),
            ((3, 1), (1, 0), false),
            ((3, 3), (1, 0), true),
            ((1, 1), (3, 2), true),
            ((1, 1), (3, 3), false),
            ((100, 1), (100, 0), true),
        ];
        for ((weight_a, active_a), (weight_b, active_b), expected) in cases {
            let make = |weight, active| {
                let load = Arc::new(Load::default());
                for _ in 0..active {
                    std::mem::forget(Active::new(&load));
                }
                Endpoint {
                    weight,
                    backup: false,
                    load,
                }
            };
            let a = make(weight_a, active_a);
            let b = make(weight_b, active_b);
            assert_eq!(
                less_busy(&b, &a),
                expected,
                "a {weight_a}/{active_a}, b {weight_b}/{active_b}"
            );
        }
    }
}
