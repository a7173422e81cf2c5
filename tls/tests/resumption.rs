//! Sessions that go on: over workers, over reloads, over rotating keys; and where they may not.
#![forbid(unsafe_code)]

mod support;

use std::sync::Arc;

use ringway_tls::{Acceptor, Clients, Connector, Fault, Offer, Tickets, Version};
use support::{Authority, Failed, Leaf, NOW, Two, connector, demand, offer, tickets};

const HOUR: u64 = 60 * 60;

/// A handshake and a few bytes, so that tickets arrive; whether it was resumed.
fn visit(acceptor: &Acceptor, connector: &Connector, now: u64) -> Result<bool, Failed> {
    let mut two = Two::at(acceptor, connector, "a.example", now);
    two.shake()?;
    two.server.send(&[b"x"], &mut two.to_client).expect("sends");
    two.shake()?;
    let resumed = |facts: Option<&ringway_tls::Facts>| facts.expect("done").resumed;
    assert_eq!(resumed(two.server.facts()), resumed(two.client.facts()));
    Ok(resumed(two.server.facts()))
}

fn acceptor(offer: &Offer, tickets: &Arc<Tickets>) -> Acceptor {
    Acceptor::new(offer, tickets).expect("an acceptor")
}

#[test]
fn a_session_goes_on_at_another_worker_and_after_a_reload() {
    let authority = Authority::new("root");
    for version in [Version::Tls13, Version::Tls12] {
        let tickets = tickets();
        let client = connector(&demand(authority.trust()));
        let mut offer = offer(vec![authority.server("a.example")]);
        offer.min_version = version;
        let one = acceptor(&offer, &tickets);
        // Another certificate of the same name.
        offer.pairs = vec![authority.server("a.example")];
        let other = acceptor(&offer, &tickets);
        assert_eq!(visit(&one, &client, NOW), Ok(false));
        assert_eq!(visit(&other, &client, NOW), Ok(true));
        assert_eq!(visit(&one, &client, NOW + 60), Ok(true));
        let stranger = acceptor(&offer, &support::tickets());
        assert_eq!(visit(&stranger, &client, NOW + 60), Ok(false));
    }
}

#[test]
fn keys_rotate_and_old_tickets_end() {
    let authority = Authority::new("root");
    let tickets = tickets();
    let server = acceptor(&offer(vec![authority.server("a.example")]), &tickets);
    let fresh = || connector(&demand(authority.trust()));
    for (later, resumed) in [
        (5 * HOUR, true),
        (7 * HOUR, true),
        (11 * HOUR, true),
        (13 * HOUR, false),
    ] {
        let (tickets, client) = (support::tickets(), fresh());
        let server = acceptor(&offer(vec![authority.server("a.example")]), &tickets);
        assert_eq!(visit(&server, &client, NOW), Ok(false));
        // Somebody else's visits turn the keys meanwhile.
        for hour in 1..later / HOUR {
            tickets.rotate(NOW + hour * HOUR);
        }
        assert_eq!(
            visit(&server, &client, NOW + later),
            Ok(resumed),
            "after {} h",
            later / HOUR
        );
    }
    // Nobody came for a day: the key of then is gone at the first visit.
    let client = fresh();
    assert_eq!(visit(&server, &client, NOW), Ok(false));
    assert_eq!(visit(&server, &client, NOW + 24 * HOUR), Ok(false));
}

#[test]
fn a_session_is_worth_nothing_where_another_proof_is_demanded() {
    let authority = Authority::new("root");
    let tickets = tickets();
    let mut offer = offer(vec![authority.server("a.example")]);
    let open = acceptor(&offer, &tickets);
    offer.clients = Clients::Optional(authority.trust());
    let optional = acceptor(&offer, &tickets);
    offer.clients = Clients::Required(authority.trust());
    let required = acceptor(&offer, &tickets);
    let client = connector(&demand(authority.trust()));
    assert_eq!(visit(&open, &client, NOW), Ok(false));
    assert_eq!(
        visit(&optional, &client, NOW),
        Ok(false),
        "who was not asked is asked now"
    );
    let refused = visit(&required, &client, NOW);
    assert_eq!(refused, Err(Failed::Server(Fault::NoCertificate)));
}

#[test]
fn the_identity_goes_on_with_the_session_and_ends_with_what_vouched_for_it() {
    let authority = Authority::new("root");
    let tickets = tickets();
    let mut offer = offer(vec![authority.server("a.example")]);
    offer.clients = Clients::Required(authority.trust());
    let server = acceptor(&offer, &tickets);
    let mut leaf = Leaf::of(&[], &["spiffe://corp/batch"]);
    // Until the next day.
    leaf.params.not_after = rcgen::date_time_ymd(2026, 6, 16);
    let made = authority.issue(&leaf);
    let mut own = demand(authority.trust());
    own.pair = Some(made.pair());
    let client = connector(&own);
    assert_eq!(visit(&server, &client, NOW + 20 * HOUR), Ok(false));
    let mut two = Two::at(&server, &client, "a.example", NOW + 22 * HOUR);
    two.shake().expect("resumed");
    let facts = two.server.facts().expect("done");
    let identity = facts
        .peer
        .as_ref()
        .map(|peer| peer.identity.as_str().to_owned());
    assert_eq!(
        (facts.resumed, identity.as_deref()),
        (true, Some("spiffe://corp/batch"))
    );
    // The ticket is good for longer than the certificate.
    let mut late = Two::at(&server, &client, "a.example", NOW + 25 * HOUR);
    let expired = Fault::Expired {
        since: NOW + 24 * HOUR,
    };
    assert_eq!(late.shake(), Err(Failed::Server(expired)));

    // Revoked: the bundle with the list is another one, and asks anew.
    offer.clients = Clients::Required(authority.trust_but(&[&made]));
    let stricter = acceptor(&offer, &tickets);
    visit(&server, &client, NOW).expect("a ticket");
    assert_eq!(
        visit(&stricter, &client, NOW),
        Err(Failed::Server(Fault::Revoked))
    );
}

#[test]
fn workers_share_one_store_without_waiting_for_each_other() {
    let authority = Authority::new("root");
    let tickets = tickets();
    let server = acceptor(&offer(vec![authority.server("a.example")]), &tickets);
    let client = connector(&demand(authority.trust()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    visit(&server, &client, NOW).expect("full or resumed");
                }
            });
        }
    });
    // What was left of many bursts is bounded, and good.
    assert_eq!(visit(&server, &client, NOW), Ok(true));
}
