//! What the fuzz targets do with their input.
//!
//! Not here: finding inputs. Run a target with `RUSTC_BOOTSTRAP=1 cargo fuzz run request_head`, from `tests/fuzz`.
#![forbid(unsafe_code)]

pub mod http2;
pub mod l4;
pub mod protocols;
pub mod tls;

/// The configuration reader takes any text and answers with diagnostics that lie inside of it.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let source = ringway_config::Source {
        path: "ringway.toml".to_owned(),
        text: text.to_owned(),
    };
    let lines = text.split('\n').count() as u32;
    let checked = ringway_config::check(std::slice::from_ref(&source));
    for diagnostic in &checked.diagnostics {
        assert!(diagnostic.line <= lines, "a finding behind the last line");
    }
    assert!(checked.config.is_some() || checked.errors() > 0);
    ringway_config::render(&checked.diagnostics);
    ringway_config::includes(&source);
}
