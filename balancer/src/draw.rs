//! From dice to a weighted choice in constant time: a mixer, and Vose's alias table with whole numbers.
//! Not a source of randomness: the same dice give the same draws.

/// A stream of well-mixed numbers from one number of the caller's (splitmix64: Steele, Lea, Flood 2014).
/// The caller may then give dice whose bits are uneven (a counter, a weak generator).
#[derive(Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) fn new(dice: u64) -> Self {
        Dice { state: dice }
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 if `bound` is 0). Multiply and shift; the bias is below bound / 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(bound)) >> 64) as u64
    }
}

/// Draws positions in proportion to their weights, in constant time.
#[derive(Debug)]
pub(crate) enum Weighted {
    /// All weights are the same: no table is needed.
    Even { len: u64 },
    /// One column per position; a coin below `total` says whether the column's owner or its alias is drawn.
    Alias { columns: Vec<Column>, total: u64 },
}

/// A column of the alias table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// The owner is drawn if the coin is below this.
    keep_below: u64,
    alias: u32,
}

impl Weighted {
    /// `weights` are all above 0.
    pub(crate) fn new(weights: &[u32]) -> Self {
        let len = weights.len() as u64;
        if weights.windows(2).all(|pair| pair[0] == pair[1]) {
            return Weighted::Even { len };
        }
        // Each column has room for `total`; a position fills `weight * len` of all room. Whole numbers keep this exact.
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let mut filled: Vec<u64> = weights.iter().map(|&w| u64::from(w) * len).collect();
        let mut columns: Vec<Column> = (0..weights.len())
            .map(|own| Column {
                keep_below: total,
                alias: own as u32,
            })
            .collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|&own| filled[own] < total);
        while let (Some(&low), Some(&high)) = (small.last(), large.last()) {
            small.pop();
            columns[low] = Column {
                keep_below: filled[low],
                alias: high as u32,
            };
            filled[high] -= total - filled[low];
            if filled[high] < total {
                large.pop();
                small.push(high);
            }
        }
        Weighted::Alias { columns, total }
    }

    /// A position in proportion to its weight.
    pub(crate) fn draw(&self, dice: &mut Dice) -> usize {
        match self {
            Weighted::Even { len } => dice.below(*len) as usize,
            Weighted::Alias { columns, total } => {
                let own = dice.below(columns.len() as u64) as usize;
                let column = columns[own];
                if dice.below(*total) < column.keep_below {
                    own
                } else {
                    column.alias as usize
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of each position as the table has it, exactly, in units of 1 / (len * total).
    fn shares(table: &Weighted, len: usize) -> Vec<u64> {
        let mut shares = vec![0; len];
        match table {
            Weighted::Even { len } => shares.fill(*len),
            Weighted::Alias { columns, total } => {
                for (own, column) in columns.iter().enumerate() {
                    shares[own] += column.keep_below;
                    shares[column.alias as usize] += total - column.keep_below;
                }
            }
        }
        shares
    }

    #[test]
    fn the_alias_table_is_exact() {
        let cases: &[&[u32]] = &[
            &[1, 2],
            &[95, 5],
            &[1, 1, 8],
            &[1, 1_000_000],
            &[3, 1, 4, 1, 5, 9, 2, 6],
            &[u32::MAX, 1, u32::MAX],
        ];
        for weights in cases {
            let expected: Vec<u64> = weights
                .iter()
                .map(|&w| u64::from(w) * weights.len() as u64)
                .collect();
            assert_eq!(
                shares(&Weighted::new(weights), weights.len()),
                expected,
                "{weights:?}"
            );
        }
    }

    #[test]
    fn even_weights_need_no_table() {
        assert!(matches!(
            Weighted::new(&[7, 7, 7]),
            Weighted::Even { len: 3 }
        ));
        assert!(matches!(Weighted::new(&[7]), Weighted::Even { len: 1 }));
    }

    #[test]
    fn dice_stay_below_the_bound() {
        let mut dice = Dice::new(0);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[dice.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 120), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }
}
