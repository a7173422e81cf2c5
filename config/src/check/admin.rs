//! `[admin]`: the default socket, and addresses that somebody else wants or may reach.
//! Not the secret's value.

use crate::defaults;
use crate::findings::Findings;
use crate::model::{Admin, AdminBind};
use crate::raw::Raw;
use std::path::PathBuf;

pub(crate) fn check(raw: &Raw, findings: &mut Findings<'_>) -> Admin {
    let built_in = || vec![AdminBind::Unix(PathBuf::from(defaults::ADMIN_SOCKET))];
    let Some(admin) = &raw.admin else {
        return Admin {
            bind: built_in(),
            token: None,
        };
    };
    for bind in admin.bind.iter().flatten() {
        let (wanted, may_share) = match &bind.value {
            AdminBind::Tcp(address) => (address.to_string(), address.port() == 0),
            AdminBind::Unix(path) => (format!("unix:{}", path.display()), false),
        };
        let taken = raw
            .listeners
            .iter()
            .find(|l| !may_share && l.bind.iter().any(|b| b.value.to_string() == wanted));
        if let Some(listener) = taken {
            let place = findings.refer(bind.span, listener.name.span);
            let message = format!(
                "{wanted} is bound by listener \"{}\" too ({place})",
                listener.name.value
            );
            findings.error(bind.span, message);
        }
        let AdminBind::Tcp(address) = bind.value else {
            continue;
        };
        if !address.ip().is_loopback() && !admin.has_token {
            let message = format!("whoever reaches {address} can read the whole configuration");
            let help = "add token = { file = \"/etc/ringway/admin.token\" }".to_owned();
            findings.warn(bind.span, message, Some(help));
        }
    }
    let bind = admin.bind.as_ref().map_or_else(built_in, |list| {
        list.iter().map(|bind| bind.value.clone()).collect()
    });
    Admin {
        bind,
        token: admin.token.clone(),
    }
}
