//! Blanks secrets in the configuration's text, so that it can be shown.
//!
//! Not here: the model's secrets (they print as `***` by themselves).

use ringway_config::{Config, Secret, Source};

/// In place of a secret, and of a text that cannot be shown safely.
const BLANK: &str = "***";

/// The texts with every secret written in them replaced by `***`.
///
/// A secret may be spelled in the text otherwise than it reads (escapes, several lines). So what was blanked is read again; if
/// the secret is not gone from where it counts, the texts are withheld altogether.
pub(super) fn sources(config: &Config, sources: &[Source]) -> Vec<Source> {
    let Some(Secret::Literal(secret)) = &config.admin.token else {
        return sources.to_vec();
    };
    let blanked = replace(sources, |text| text.replace(secret.as_str(), BLANK));
    let again = ringway_config::check(&blanked).config;
    match again.and_then(|config| config.admin.token) {
        Some(Secret::Literal(left)) if left == BLANK => blanked,
        _ => replace(sources, |_| {
            format!("# {BLANK} (a secret in it cannot be told from the rest)\n")
        }),
    }
}

fn replace(sources: &[Source], text: impl Fn(&str) -> String) -> Vec<Source> {
    let blank = |source: &Source| Source {
        path: source.path.clone(),
        text: text(&source.text),
    };
    sources.iter().map(blank).collect()
}
