//! "Did you mean": the nearest of the names that would have been right.
//! Not whether a name is wrong.

/// Names further away than this are another word, not a slip.
const FARTHEST: usize = 2;

/// Longer names are not compared: the work grows with the square of the length.
const LONGEST: usize = 64;

/// The nearest of the names, if it is near enough to be meant. Of equals the first.
pub(crate) fn nearest<'n>(
    wrong: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    if wrong.len() > LONGEST {
        return None;
    }
    let lower = wrong.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        if name.len() > LONGEST || name.len().abs_diff(lower.len()) > FARTHEST {
            continue;
        }
        let distance = strsim::osa_distance(&lower, &name.to_lowercase());
        // Two edits turn any two-letter word into any other.
        let allowed = FARTHEST.min(lower.len().max(name.len()) / 2);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// `a, b or c`.
pub(crate) fn either(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [front @ .., last] => format!("{} or {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["bind", "timeouts", "limits", "to"];
        let cases = [
            ("bnid", Some("bind")),
            ("timeout", Some("timeouts")),
            ("Limits", Some("limits")),
            ("ot", Some("to")),
            ("ab", None),
            ("certificates", None),
            ("", None),
        ];
        for (wrong, expected) in cases {
            assert_eq!(nearest(wrong, names), expected, "{wrong}");
        }
    }
}
