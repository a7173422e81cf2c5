//! The configuration that the demo writes, with a comment on everything, and the edits that the demo makes or proposes.
//!
//! Not here: the format itself.

use std::net::SocketAddr;
use std::path::Path;

use super::origins::Origins;

/// What differs from one demo to the next.
pub(super) struct Settings<'a> {
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) folder: &'a Path,
    pub(super) origins: &'a Origins,
}

/// The line that a live edit changes, as it is written and as it becomes.
const PLAIN_V1: &str = r#"to    = "products-v1""#;
const PLAIN_V2: &str = r#"to    = "products-v2""#;
/// The same edit as a script of `sed`.
pub(super) const SED: &str = r#"s/^to    = "products-v1"/to    = "products-v2"/"#;
/// A slip of the pen: there is no such cluster.
const SLIP: &str = r#"to    = "product-v2""#;

/// The good edit: the plain route goes to the other version.
pub(super) fn follow_v2(text: &str) -> String {
    text.replacen(PLAIN_V1, PLAIN_V2, 1)
}

/// The bad edit, after the good one.
pub(super) fn slip(text: &str) -> String {
    text.replacen(PLAIN_V2, SLIP, 1)
}

/// The bad edit undone.
pub(super) fn unslip(text: &str) -> String {
    text.replacen(SLIP, PLAIN_V2, 1)
}

/// The whole file.
pub(super) fn text(settings: &Settings<'_>) -> String {
    let Settings {
        proxy,
        admin,
        folder,
        origins,
    } = settings;
    // Valid TOML for any path that is text: the escapes of both are the same.
    let access_log = format!("file:{}", folder.join("access.log").display());
    let access_log = serde_json::Value::from(access_log);
    format!(
        r#"# The demo's configuration. Edit and save it: the proxy follows at once, without dropping a connection.
# A file with a mistake is refused with its line and column (see proxy.log), and what runs goes on.

[server]
drain = "2s"                            # on stop: so long for what is in flight; 30s if not said

[listeners.web]
bind = "{proxy}"

# ---- routes: the first that matches, in file order -------------------------------------------

# "~" is a regular expression that must match the whole value; what it names can be used below.
[[routes]]
name    = "corp-v2"
match   = {{ path = "/products/*", headers = {{ user = '~(?<who>.+)@mycorp\.com' }} }}
to      = "products-v2"
headers = {{ set = {{ x-corp-user = "{{who}}" }} }}

# "/products/*" is that path and all below it.
[[routes]]
name  = "products"
match = {{ path = "/products/*" }}
{PLAIN_V1}                     # try "products-v2", and save

# Weights are relative. With split_by = "cookie:sid" a user would stay on one side.
[[routes]]
name  = "split"
match = {{ path = "/split/*" }}
to    = [{{ cluster = "products-v1", weight = 80 }}, {{ cluster = "products-v2", weight = 20 }}]

# Takes half a second. A first byte later than `first_byte` would be a 504.
[[routes]]
name     = "slow"
match    = {{ path = "/slow/*" }}
to       = "slow"
timeouts = {{ first_byte = "2s" }}

# Every fifth answer is a 503.
[[routes]]
name  = "flaky"
match = {{ path = "/flaky/*" }}
to    = "flaky"

# Answered by the proxy itself.
[[routes]]
name    = "up"
match   = {{ path = "/healthz", method = ["GET", "HEAD"] }}
respond = {{ status = 200, body = "ok\n" }}

# ---- clusters: where requests go -------------------------------------------------------------

[clusters.products-v1]
endpoints = ["{v1}"]

[clusters.products-v2]
endpoints = ["{v2}"]

[clusters.slow]
endpoints = ["{slow}"]

[clusters.flaky]
endpoints = ["{flaky}"]

# ---- what it tells you -----------------------------------------------------------------------

[access_log]
to = {access_log}

[admin]                                 # /metrics, /healthz, /readyz, /config, /listeners
bind = ["{admin}"]
"#,
        v1 = origins.products_v1,
        v2 = origins.products_v2,
        slow = origins.slow,
        flaky = origins.flaky,
    )
}
