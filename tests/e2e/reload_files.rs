//! Every way to save a file is seen: in place, by rename, by an editor's detour, by swapped symbolic links, by signal,
//! in included files. What a reload changes is in `reload.rs`.

use crate::web;
use ringway_tests::{PATIENCE, Proxy, Scratch, Setup, both_drivers, get, signal, until};
use std::fs;
use std::os::unix::fs::symlink;

fn says(text: &str) -> String {
    web("")
        + &format!("[[routes]]\nname = \"all\"\nrespond = {{ status = 200, body = \"{text}\" }}\n")
}

/// Wait until a fresh connection gets this answer; what the log says of it does not matter.
fn await_answer(proxy: &Proxy, text: &str) {
    until(&format!("the answer `{text}`"), PATIENCE, || {
        (get(proxy.web(), "/").text() == text).then_some(())
    });
}

both_drivers! {
    fn written_in_place(io) {
        let proxy = Proxy::start(io, &says("old"));
        fs::write(proxy.scratch.file("ringway.toml"), proxy.text(&says("new"))).expect("written");
        await_answer(&proxy, "new");
    }

    fn renamed_over(io) {
        let proxy = Proxy::start(io, &says("old"));
        proxy.scratch.replace("ringway.toml", &proxy.text(&says("new")));
        await_answer(&proxy, "new");
    }

    fn saved_by_an_editor_with_a_backup(io) {
        let proxy = Proxy::start(io, &says("old"));
        let file = proxy.scratch.file("ringway.toml");
        for text in ["one", "two", "three"] {
            fs::write(proxy.scratch.file(".ringway.toml.swp"), "swap").expect("written");
            fs::rename(&file, proxy.scratch.file("ringway.toml~")).expect("renamed");
            fs::write(&file, proxy.text(&says(text))).expect("written");
            fs::remove_file(proxy.scratch.file(".ringway.toml.swp")).expect("removed");
            await_answer(&proxy, text);
        }
    }

    fn removed_and_made_anew(io) {
        let proxy = Proxy::start(io, &says("old"));
        let file = proxy.scratch.file("ringway.toml");
        fs::remove_file(&file).expect("removed");
        assert_eq!(get(proxy.web(), "/").text(), "old", "a file that is gone stops nothing");
        fs::write(&file, proxy.text(&says("new"))).expect("written");
        await_answer(&proxy, "new");
    }

    fn swapped_by_symbolic_links(io) {
        // As a ConfigMap is mounted: ringway.toml -> current/ringway.toml, current -> version folder.
        let scratch = Scratch::new();
        let setup = Setup::on(io);
        let admin = scratch.file("admin.sock");
        for text in ["one", "two", "three"] {
            fs::create_dir(scratch.file(text)).expect("a folder");
            scratch.write(&format!("{text}/ringway.toml"), &setup.text(&says(text), &admin));
        }
        symlink("one", scratch.file("current")).expect("a link");
        symlink("current/ringway.toml", scratch.file("ringway.toml")).expect("a link");
        // Starting writes the file's text through the links, which is what it holds already.
        let proxy = setup.start_in(scratch, &says("one"));
        assert_eq!(get(proxy.web(), "/").text(), "one");
        for text in ["two", "three"] {
            symlink(text, proxy.scratch.file("next")).expect("a link");
            fs::rename(proxy.scratch.file("next"), proxy.scratch.file("current")).expect("renamed");
            await_answer(&proxy, text);
        }
    }

    fn half_a_file_does_no_harm(io) {
        let proxy = Proxy::start(io, &says("old"));
        let file = proxy.scratch.file("ringway.toml");
        let whole = proxy.text(&says("new"));
        for cut in [0, 10, whole.len() / 2] {
            fs::write(&file, &whole[..cut]).expect("written");
            assert_eq!(get(proxy.web(), "/").text(), "old");
        }
        fs::write(&file, &whole).expect("written");
        await_answer(&proxy, "new");
    }

    fn many_writes_at_once_end_with_the_last(io) {
        let proxy = Proxy::start(io, &says("old"));
        for n in 0..200 {
            proxy.scratch.replace("ringway.toml", &proxy.text(&says(&format!("write {n}"))));
        }
        await_answer(&proxy, "write 199");
    }

    fn an_included_file_counts(io) {
        let scratch = Scratch::new();
        fs::create_dir(scratch.file("conf.d")).expect("a folder");
        let route = |path: &str, text: &str| format!("[[routes]]\nmatch = {{ path = \"/{path}\" }}\nrespond = {{ status = 200, body = \"{text}\" }}\n");
        scratch.write("conf.d/b.toml", &route("b", "b one"));
        let proxy = Setup::on(io).start_in(scratch, &format!("include = [\"conf.d/*.toml\"]\n{}", web("")));
        let says = |path: &str, text: &str| {
            until(&format!("{path} to say {text}"), PATIENCE, || (get(proxy.web(), path).text() == text).then_some(()));
        };
        says("/b", "b one");
        proxy.scratch.write("conf.d/b.toml", &route("b", "b two"));
        says("/b", "b two");
        proxy.scratch.write("conf.d/a.toml", &route("b", "a comes first"));
        says("/b", "a comes first");
        fs::remove_file(proxy.scratch.file("conf.d/a.toml")).expect("removed");
        says("/b", "b two");
        proxy.scratch.write("conf.d/notes.txt", "not for us");
        fs::remove_file(proxy.scratch.file("conf.d/b.toml")).expect("removed");
        until("the route to be gone", PATIENCE, || (get(proxy.web(), "/b").status == 404).then_some(()));
    }

    fn sighup_reloads(io) {
        let proxy = Proxy::start(io, &says("old"));
        let from = proxy.log.len();
        proxy.scratch.replace("ringway.toml", &proxy.text(&says("new")));
        signal(proxy.id(), "HUP");
        proxy.await_reloaded(from);
        assert_eq!(get(proxy.web(), "/").text(), "new");
        signal(proxy.id(), "HUP");
        assert_eq!(get(proxy.web(), "/").text(), "new", "a SIGHUP is no reason to end");
    }

    fn the_same_text_again_is_no_reload(io) {
        let proxy = Proxy::start(io, &says("same"));
        let before = proxy.metrics().sum("ringway_config_reloads_total", &["applied"]);
        proxy.scratch.replace("ringway.toml", &proxy.text(&says("same")));
        proxy.scratch.replace("ringway.toml", &proxy.text(&says("same")));
        proxy.reload(&says("other"));
        let after = proxy.metrics().sum("ringway_config_reloads_total", &["applied"]);
        assert_eq!(after - before, 1.0);
    }
}
