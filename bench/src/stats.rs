//! Median, least and most. No means: one disturbed round must not move a figure.

use serde::{Deserialize, Serialize};

/// Where the values lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// `None` without values.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    Some(Spread { median, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values; median, least and most.
    type Case = (&'static [f64], Option<(f64, f64, f64)>);

    #[test]
    fn spreads() {
        let cases: [Case; 5] = [
            (&[], None),
            (&[f64::NAN, f64::INFINITY], None),
            (&[3.0], Some((3.0, 3.0, 3.0))),
            (&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0))),
            (&[4.0, 1.0, 2.0, 100.0], Some((3.0, 1.0, 100.0))),
        ];
        for (values, wanted) in cases {
            let wanted = wanted.map(|(median, min, max)| Spread { median, min, max });
            assert_eq!(spread(values.iter().copied()), wanted, "{values:?}");
        }
    }
}
