//! The static table (RFC 7541 Appendix A), and where a name or a field stands in it.
//!
//! Not here: entries that come and go.

/// Indexes below this are of the static table; the dynamic one begins with it.
pub(super) const FIRST_DYNAMIC: usize = ROWS.len() + 1;

/// Indexes of names that the encoder knows.
pub(super) mod index {
    pub(crate) const METHOD: u8 = 2;
    pub(crate) const PATH: u8 = 4;
    pub(crate) const SCHEME: u8 = 6;
    pub(crate) const STATUS: u8 = 8;
    pub(crate) const ACCEPT_ENCODING: u8 = 16;
    pub(crate) const AGE: u8 = 21;
    pub(crate) const AUTHORIZATION: u8 = 23;
    pub(crate) const CONTENT_LENGTH: u8 = 28;
    pub(crate) const COOKIE: u8 = 32;
    pub(crate) const ETAG: u8 = 34;
    pub(crate) const IF_MODIFIED_SINCE: u8 = 40;
    pub(crate) const IF_NONE_MATCH: u8 = 41;
    pub(crate) const LOCATION: u8 = 46;
    pub(crate) const PROXY_AUTHORIZATION: u8 = 49;
    pub(crate) const SET_COOKIE: u8 = 55;
}

struct Row {
    /// Name and value.
    octets: &'static [u8],
    name: usize,
}

macro_rules! rows {
    ($($name:literal $value:literal;)+) => {
        [$(Row { octets: concat!($name, $value).as_bytes(), name: $name.len() },)+]
    };
}

const ROWS: [Row; 61] = rows! {
    ":authority" "";
    ":method" "GET";
    ":method" "POST";
    ":path" "/";
    ":path" "/index.html";
    ":scheme" "http";
    ":scheme" "https";
    ":status" "200";
    ":status" "204";
    ":status" "206";
    ":status" "304";
    ":status" "400";
    ":status" "404";
    ":status" "500";
    "accept-charset" "";
    "accept-encoding" "gzip, deflate";
    "accept-language" "";
    "accept-ranges" "";
    "accept" "";
    "access-control-allow-origin" "";
    "age" "";
    "allow" "";
    "authorization" "";
    "cache-control" "";
    "content-disposition" "";
    "content-encoding" "";
    "content-language" "";
    "content-length" "";
    "content-location" "";
    "content-range" "";
    "content-type" "";
    "cookie" "";
    "date" "";
    "etag" "";
    "expect" "";
    "expires" "";
    "from" "";
    "host" "";
    "if-match" "";
    "if-modified-since" "";
    "if-none-match" "";
    "if-range" "";
    "if-unmodified-since" "";
    "last-modified" "";
    "link" "";
    "location" "";
    "max-forwards" "";
    "proxy-authenticate" "";
    "proxy-authorization" "";
    "range" "";
    "referer" "";
    "refresh" "";
    "retry-after" "";
    "server" "";
    "set-cookie" "";
    "strict-transport-security" "";
    "transfer-encoding" "";
    "user-agent" "";
    "vary" "";
    "via" "";
    "www-authenticate" "";
};
static TABLE: [Row; 61] = ROWS;

/// Name and value in one piece, and where the name ends.
#[inline]
pub(super) fn get(index: usize) -> Option<(&'static [u8], usize)> {
    let row = TABLE.get(index.checked_sub(1)?)?;
    Some((row.octets, row.name))
}

/// The first index of each name, at its slot; 0 where there is none.
static SLOTS: [u8; 128] = slots();

/// The factors were searched for: each of the names in the table has a slot of its own.
#[inline]
const fn slot(length: usize, first: u8, middle: u8, last: u8) -> usize {
    (length * 41 + first as usize * 41 + middle as usize * 47 + last as usize * 20) % 128
}

const fn slots() -> [u8; 128] {
    let mut out = [0; 128];
    let mut index = ROWS.len();
    // Backwards, so that the first of several with the same name stays.
    while index > 0 {
        let Row { octets, name } = ROWS[index - 1];
        out[slot(name, octets[0], octets[name / 2], octets[name - 1])] = index as u8;
        index -= 1;
    }
    out
}

/// The first index with this name.
#[inline]
pub(super) fn find_name(name: &[u8]) -> Option<u8> {
    let first = *name.first()?;
    let middle = *name.get(name.len() / 2)?;
    let index = SLOTS[slot(name.len(), first, middle, *name.last()?)];
    let (octets, length) = get(index.into())?;
    (octets.get(..length)? == name).then_some(index)
}

/// The index with a name that was found, and this value.
#[inline]
pub(super) fn find_value(name: u8, value: &[u8]) -> Option<u8> {
    let index = match (name, value) {
        (index::METHOD, b"GET") => index::METHOD,
        (index::METHOD, b"POST") => 3,
        (index::PATH, b"/") => index::PATH,
        (index::PATH, b"/index.html") => 5,
        (index::SCHEME, b"http") => index::SCHEME,
        (index::SCHEME, b"https") => 7,
        (index::STATUS, b"200") => index::STATUS,
        (index::STATUS, b"204") => 9,
        (index::STATUS, b"206") => 10,
        (index::STATUS, b"304") => 11,
        (index::STATUS, b"400") => 12,
        (index::STATUS, b"404") => 13,
        (index::STATUS, b"500") => 14,
        (index::ACCEPT_ENCODING, b"gzip, deflate") => index::ACCEPT_ENCODING,
        (
            index::METHOD | index::PATH | index::SCHEME | index::STATUS | index::ACCEPT_ENCODING,
            _,
        ) => return None,
        (name, b"") => name,
        _ => return None,
    };
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_found_where_it_stands() {
        for index in 1..FIRST_DYNAMIC {
            let (octets, name) = get(index).expect("a row");
            let (name, value) = octets.split_at(name);
            let found = find_name(name).expect("a name");
            assert!(usize::from(found) <= index);
            assert_eq!(find_value(found, value).map(usize::from), Some(index));
            assert_eq!(find_value(found, b"something else"), None);
        }
        assert!(get(0).is_none() && get(FIRST_DYNAMIC).is_none());
    }

    #[test]
    fn other_names_are_not_found() {
        for name in [
            "",
            "x",
            "hosu",
            "x-request-id",
            ":protocol",
            "Host",
            "accep",
            "accept-",
        ] {
            assert_eq!(find_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_indexes_that_have_names_are_right() {
        let table = [
            (index::AGE, "age"),
            (index::AUTHORIZATION, "authorization"),
            (index::CONTENT_LENGTH, "content-length"),
            (index::COOKIE, "cookie"),
            (index::ETAG, "etag"),
            (index::IF_MODIFIED_SINCE, "if-modified-since"),
            (index::IF_NONE_MATCH, "if-none-match"),
            (index::LOCATION, "location"),
            (index::PROXY_AUTHORIZATION, "proxy-authorization"),
            (index::SET_COOKIE, "set-cookie"),
        ];
        for (index, name) in table {
            assert_eq!(find_name(name.as_bytes()), Some(index), "{name}");
        }
    }
}
