//! Whom we believe: root certificates of several files, and revocation lists.
//!
//! Not here: the judgement (`verify`), nor the system's files.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::certificate::Certificate;
use crate::material::{self, Unusable};
use crate::provider::sha256;

/// Roots and lists. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) lists: Arc<[CertificateRevocationListDer<'static>]>,
    not_after: Option<u64>,
    digest: [u8; 32],
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("roots", &self.roots.len())
            .field("lists", &self.lists.len())
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// One bundle of files, each in PEM or DER: every certificate in them must be readable. `Err` has the number of the file to blame, from 0,
    /// roots before lists.
    pub fn read(roots: &[&[u8]], lists: &[&[u8]]) -> Result<Trust, (usize, Unusable)> {
        let mut store = RootCertStore::empty();
        let mut not_after: Option<u64> = None;
        let mut seen = Vec::new();
        for (file, bytes) in roots.iter().enumerate() {
            let ders = material::certificates(bytes).map_err(|why| (file, why))?;
            for (at, der) in ders.into_iter().enumerate() {
                let unreadable = (file, Unusable::CertificateUnreadable(at + 1));
                let read = Certificate::read(&der).ok_or_else(|| unreadable.clone())?;
                not_after = Some(not_after.map_or(read.not_after, |end| end.min(read.not_after)));
                seen.extend_from_slice(&sha256(&der));
                store.add(der).map_err(|_| unreadable)?;
            }
        }
        let mut all = Vec::new();
        for (file, bytes) in lists.iter().enumerate() {
            let file = roots.len() + file;
            for list in material::lists(bytes).map_err(|why| (file, why))? {
                webpki::BorrowedCertRevocationList::from_der(&list)
                    .map_err(|error| (file, Unusable::ListUnreadable(error.to_string())))?;
                seen.extend_from_slice(&sha256(&list));
                all.push(list);
            }
        }
        Ok(Trust {
            roots: Arc::new(store),
            lists: all.into(),
            not_after,
            digest: sha256(&seen),
        })
    }

    /// The system's roots. Those that cannot be read are left out: a system has some that nobody can (`added` says how many remain).
    pub fn of_system<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> Trust {
        let mut store = RootCertStore::empty();
        let mut seen = Vec::new();
        for der in ders {
            if store.add(CertificateDer::from(der.to_vec())).is_ok() {
                seen.extend_from_slice(&sha256(der));
            }
        }
        Trust {
            roots: Arc::new(store),
            lists: Arc::new([]),
            not_after: None,
            digest: sha256(&seen),
        }
    }

    /// How many roots there are.
    pub fn roots(&self) -> usize {
        self.roots.len()
    }

    /// When the first root ends, in Unix seconds. Not known of the system's.
    pub fn not_after(&self) -> Option<u64> {
        self.not_after
    }

    /// The same for the same roots and lists: what was verified by one `Trust` was verified by another with this digest.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}
