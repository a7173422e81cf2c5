//! Smooth weighted round robin as a sequence made once: turns are spread over the cycle, a pick is one step.
//! Not one counter for all workers: each walks the cycle on its own, from a start given by dice.

use crate::draw::Dice;
use crate::tried::Tried;

/// Longest cycle, in turns (4 bytes each, shared by all workers). Weights whose sum is larger even after division by
/// their common divisor are scaled down to it; each keeps at least one turn. The error of a share is below 1 / 8192.
const LONGEST_CYCLE: u64 = 16_384;

/// Turns looked at for an untried endpoint before all members are looked at in order instead.
const LOOK_AHEAD: usize = 64;

/// Where a worker stands in one cycle.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Turn {
    /// None until the first pick, which takes it from the dice.
    at: Option<u32>,
}

/// The order of turns: positions of members, each as often as its weight says.
#[derive(Debug)]
pub(crate) struct Cycle {
    turns: Vec<u32>,
}

impl Cycle {
    /// `weights` are all above 0.
    ///
    /// Member `i` of weight `w` takes its turns at times `(k + phase) / w` of the cycle; the phases of members of the
    /// same weight are spread evenly, so equal weights give 0, 1, 2, ... and light members do not bunch.
    pub(crate) fn new(weights: &[u32]) -> Self {
        let weights = scaled(weights);
        let mut turns: Vec<(f64, u32)> = Vec::new();
        for (position, &weight) in weights.iter().enumerate() {
            // Quadratic only in the number of members, once per snapshot, and cheap: 1000 members are a million steps.
            let rank = weights[..position].iter().filter(|&&w| w == weight).count();
            let alike = weights.iter().filter(|&&w| w == weight).count();
            let phase = (rank as f64 + 0.5) / alike as f64;
            turns
                .extend((0..weight).map(|k| ((k as f64 + phase) / weight as f64, position as u32)));
        }
        turns.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Cycle {
            turns: turns.into_iter().map(|(_, position)| position).collect(),
        }
    }

    /// The next position in turn; the cycle has at least one.
    pub(crate) fn next(&self, turn: &mut Turn, dice: &mut Dice) -> usize {
        let len = self.turns.len();
        // A reload may have made the cycle shorter than where this worker stands.
        let at = match turn.at {
            Some(at) => at as usize % len,
            None => dice.below(len as u64) as usize,
        };
        turn.at = Some(((at + 1) % len) as u32);
        self.turns[at] as usize
    }

    /// The next position in turn whose endpoint was not tried; `members` are the endpoints' indices.
    pub(crate) fn next_untried(
        &self,
        members: &[u32],
        turn: &mut Turn,
        dice: &mut Dice,
        tried: &Tried,
    ) -> Option<usize> {
        for _ in 0..self.turns.len().min(LOOK_AHEAD) {
            let position = self.next(turn, dice);
            if !tried.contains(members[position] as usize) {
                return Some(position);
            }
        }
        members
            .iter()
            .position(|&index| !tried.contains(index as usize))
    }
}

/// Weights divided by their common divisor, and scaled down if the cycle would be too long.
fn scaled(weights: &[u32]) -> Vec<u64> {
    let divisor = weights
        .iter()
        .fold(0, |a, &b| largest_divisor(a, u64::from(b)))
        .max(1);
    let reduced: Vec<u64> = weights.iter().map(|&w| u64::from(w) / divisor).collect();
    let total: u64 = reduced.iter().sum();
    // A large cluster may have a longer cycle, or light members would all be rounded to the same turn.
    let longest = LONGEST_CYCLE.max(8 * weights.len() as u64);
    if total <= longest {
        return reduced;
    }
    let scale = |w: u64| (u128::from(w) * u128::from(longest) / u128::from(total)) as u64;
    reduced.into_iter().map(|w| scale(w).max(1)).collect()
}

fn largest_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { largest_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_as_a_table() {
        let cases: &[(&[u32], &[u32])] = &[
            (&[1], &[0]),
            (&[1, 1, 1], &[0, 1, 2]),
            (&[50, 50], &[0, 1]),
            (&[2, 1], &[0, 1, 0]),
            (&[1, 3], &[1, 0, 1, 1]),
            (&[5, 1, 1], &[0, 1, 0, 0, 0, 2, 0]),
        ];
        for (weights, expected) in cases {
            assert_eq!(&Cycle::new(weights).turns, expected, "{weights:?}");
        }
    }

    #[test]
    fn turns_are_exact_and_smooth() {
        for weights in [
            vec![5, 1, 1],
            vec![95, 5],
            vec![3, 1, 4, 1, 5, 9, 2, 6],
            vec![7; 30],
        ] {
            let cycle = Cycle::new(&weights);
            let total: u32 = weights.iter().sum();
            for (position, &weight) in weights.iter().enumerate() {
                let at: Vec<usize> = (0..cycle.turns.len())
                    .filter(|&t| cycle.turns[t] as usize == position)
                    .collect();
                let share = f64::from(weight) / f64::from(total);
                assert!((at.len() as f64 / cycle.turns.len() as f64 - share).abs() < 1e-9);
                // After any number of turns nobody is off its share by more than one turn and a half.
                for (so_far, &t) in at.iter().enumerate() {
                    let due = t as f64 * share;
                    assert!(
                        (so_far as f64 - due).abs() < 1.5,
                        "{weights:?} {position} {t}"
                    );
                }
            }
        }
    }

    #[test]
    fn huge_weights_keep_a_bounded_cycle() {
        let cycle = Cycle::new(&[1, 999_999_937, u32::MAX]);
        assert!(cycle.turns.len() as u64 <= LONGEST_CYCLE + 3);
        assert_eq!(cycle.turns.iter().filter(|&&p| p == 0).count(), 1);
        let second = cycle.turns.iter().filter(|&&p| p == 1).count() as f64;
        let share = second / cycle.turns.len() as f64;
        let exact = 999_999_937.0 / (999_999_937.0 + f64::from(u32::MAX) + 1.0);
        assert!((share - exact).abs() < 1.0 / 8192.0, "{share} {exact}");
    }

    #[test]
    fn starts_differ_with_the_dice_and_survive_a_shorter_cycle() {
        let long = Cycle::new(&[1; 100]);
        let starts: std::collections::HashSet<usize> = (0..50)
            .map(|dice| long.next(&mut Turn::default(), &mut Dice::new(dice)))
            .collect();
        assert!(starts.len() > 20, "only {} different starts", starts.len());

        let short = Cycle::new(&[1; 3]);
        let mut turn = Turn { at: Some(98) };
        let mut dice = Dice::new(0);
        let seen: Vec<usize> = (0..4).map(|_| short.next(&mut turn, &mut dice)).collect();
        assert_eq!(seen, [2, 0, 1, 2]);
    }

    #[test]
    fn a_rare_untried_member_is_found_behind_a_long_run() {
        let cycle = Cycle::new(&[10_000, 1]);
        let mut tried = Tried::default();
        tried.mark(7);
        for dice in 0..20 {
            let found =
                cycle.next_untried(&[7, 9], &mut Turn::default(), &mut Dice::new(dice), &tried);
            assert_eq!(found, Some(1));
        }
        tried.mark(9);
        let none = cycle.next_untried(&[7, 9], &mut Turn::default(), &mut Dice::new(1), &tried);
        assert_eq!(none, None);
    }
}
