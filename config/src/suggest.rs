//! "Did you mean": the nearest of the names that would have been right.
//! Not whether a name is wrong.

/// Names further away than this are another word, not a slip.
const FARTHEST: usize = 2;

/// `retries` for `retry`: words that begin alike may end in another form.
const FARTHEST_ENDING: usize = 3;

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
        if name.len() > LONGEST || name.len().abs_diff(lower.len()) > FARTHEST_ENDING {
            continue;
        }
        let distance = strsim::osa_distance(&lower, &name.to_lowercase());
        // Two edits turn any two-letter word into any other.
        let allowed = if starts_alike(&lower, name) {
            FARTHEST_ENDING
        } else {
            FARTHEST.min(lower.len().max(name.len()) / 2)
        };
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

fn starts_alike(wrong: &str, name: &str) -> bool {
    /// Shorter beginnings are shared by words that have nothing in common.
    const BEGINNING: usize = 4;
    wrong.len() > BEGINNING
        && name.len() > BEGINNING
        && wrong.as_bytes()[..BEGINNING] == name.as_bytes()[..BEGINNING]
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
            ("binders", None),
            ("timer", None),
            ("timings", None),
            ("limited", Some("limits")),
            ("", None),
        ];
        for (wrong, expected) in cases {
            assert_eq!(nearest(wrong, names), expected, "{wrong}");
        }
    }
}
