//! The PROXY header that a connection to an endpoint begins with: it names the client. Not when a connection is made (`fresh`), and
//! not the headers that clients come with (`proxied`).
//!
//! Upstream connections of HTTP are used again, and a header speaks for a whole connection. So an idle connection serves only who
//! would have been announced by the same octets, as with HAProxy: the header is part of what the pool looks for. With the client's port
//! in it that is the same client connection, so that the next request of a client finds its connection and nobody else's does.

use ringway_config::ProxySent;
use ringway_io::OutBuf;
use ringway_protocols::proxy_header::{Checksum, Details, write_v1, write_v2};

use crate::accept::Client;

/// The header for a connection that serves this client; None for a cluster that wants none. `details` go into version 2; what the
/// client's own header says of AUTHORITY and UNIQUE_ID comes before them.
///
/// For HTTP they must not depend on the request (its Host, its id): the connection serves the client's next request as well.
pub(crate) fn header(form: ProxySent, client: &Client, details: Details<'_>) -> Option<OutBuf> {
    let checksum = match form {
        ProxySent::Off => return None,
        ProxySent::V1 => None,
        ProxySent::V2 => Some(Checksum::None),
        ProxySent::V2Crc32c => Some(Checksum::Crc32c),
    };
    let ends = client.ends();
    let claim = ends.claim();
    let mut out = OutBuf::take();
    match checksum {
        None => write_v1(&mut out, &claim),
        Some(checksum) => {
            let details = Details {
                authority: ends.authority.as_deref().or(details.authority),
                unique_id: ends.unique_id.as_deref().or(details.unique_id),
                ..details
            };
            write_v2(&mut out, &claim, &details, checksum)
                .expect("names and ids are checked where they are read, and fit");
        }
    }
    Some(out)
}
