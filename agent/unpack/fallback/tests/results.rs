// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the tool has made is offered, whatever it is and however the run ended.

use super::*;

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn what_was_unpacked_is_offered() {
    let place = Place::with(r#"tar xf "$file" -C "$dir""#);
    let large = vec![7; 3 << 20];
    let archive = tarball(&[
        ("a", b"first"),
        ("b/c", b"second"),
        ("b/copy", b"second"),
        ("b/d", b"never sought"),
        ("empty", b""),
        ("large", &large),
    ]);
    let seeker = Sought::of(&[b"first", b"second", b"", &large, b"elsewhere"]);
    let tried = place.run(&archive, ToolLimits::default(), &seeker);
    assert_eq!(tried.outcome, Outcome::Finished);
    assert_eq!((tried.files, tried.taken), (6, 4));
    assert_eq!(tried.problem_count, 0);
    assert_eq!(seeker.got.lock().unwrap().len(), 4);
    assert!(!seeker.has_all());
}

#[test]
fn what_is_left_beside_the_input_is_offered_too() {
    let place = Place::with(r#"echo about >"$file.meta""#);
    let seeker = Sought::of(&[b"about\n", b"the input"]);
    let tried = place.run(b"the input", ToolLimits::default(), &seeker);
    assert_eq!(tried.files, 1);
    assert_eq!(seeker.got(), [b"about\n"]);
}

#[test]
fn a_tool_that_changes_its_input_changes_a_copy() {
    let place = Place::with(r#"echo changed >"$file"; chmod 000 "$file""#);
    // That the blob's content is as it was is looked at after every run.
    let tried = place.run(b"the only copy", ToolLimits::default(), &Sought::default());
    assert_eq!(tried.outcome, Outcome::Finished);
    let mode = std::fs::metadata(place.path("blob")).unwrap().permissions();
    assert_ne!(mode.mode() & 0o777, 0);
}

#[test]
fn a_seeker_that_has_enough_ends_it() {
    let place = Place::with(r#"for i in 1 2 3; do echo "$i" >"$dir/$i"; done"#);
    let seeker = Sought {
        enough: Some(1),
        ..Sought::of(&[b"1\n", b"2\n", b"3\n"])
    };
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.taken, 1);
    assert_eq!(seeker.got().len(), 1);
}

#[test]
fn a_failure_keeps_what_came_before_and_what_it_said() {
    let place = Place::with(
        r#"echo made >"$dir/made"
           i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i + 1)); done
           echo "no more" >&2; exit 3"#,
    );
    let seeker = Sought::of(&[b"made\n"]);
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.outcome, Outcome::Failed(3));
    assert!(tried.said.ends_with("line 1999\nno more\n"));
    assert!(tried.said.len() <= 8192 && !tried.said.contains("line 0\n"));
    assert!(seeker.has_all());
}

#[test]
fn a_password_is_not_kept() {
    let place = Place::with(r#"echo "no host: 'user=fossy password=secret'"; echo end; exit 253"#);
    let tried = place.run(b"x", ToolLimits::default(), &Sought::default());
    assert_eq!(tried.said, "end\n");
}

#[test]
fn a_crash_keeps_what_came_before() {
    let place = Place::with(r#"echo made >"$dir/made"; kill -SEGV $$"#);
    let seeker = Sought::of(&[b"made\n"]);
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.outcome, Outcome::Crashed(libc::SIGSEGV));
    assert!(seeker.has_all());
}

#[test]
fn names_may_be_anything() {
    let place = Place::with(
        r#"cd "$dir"
           for name in '-rf' '* ' "'" '"; exit' "$(printf 'new\nline')" "$(printf '\377\376')" \
               "$(printf '%0255d' 0)"; do
               mkdir "./$name" && echo "$name" >"./$name/$name" || exit 1
           done"#,
    );
    let long = format!("{}\n", "0".repeat(255));
    let seeker = Sought::of(&[
        b"-rf\n",
        b"* \n",
        b"'\n",
        b"\"; exit\n",
        b"new\nline\n",
        b"\xff\xfe\n",
        long.as_bytes(),
    ]);
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert!(seeker.has_all());
}

#[test]
fn paths_may_be_longer_than_the_system_takes() {
    let place = Place::with(
        r#"cd "$dir"; name=$(printf '%0200d' 0); i=0
           while [ $i -lt 40 ]; do
               mkdir "$name" other && cd -P "./$name" || exit 1; i=$((i + 1))
           done
           echo deep >file"#,
    );
    let seeker = Sought::of(&[b"deep\n"]);
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert!(seeker.has_all());
}

#[test]
fn what_nobody_may_read_is_read() {
    let place = Place::with(
        r#"mkdir -p "$dir/a/b"; echo hidden >"$dir/a/b/file"; echo top >"$dir/file"
           chmod 0 "$dir/a/b/file" "$dir/file" "$dir/a/b" "$dir/a" "$dir" "$(dirname "$file")""#,
    );
    let seeker = Sought::of(&[b"hidden\n", b"top\n"]);
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.outcome, Outcome::Finished, "{}", tried.said);
    assert!(seeker.has_all(), "{:?}", tried.problems);
}

#[test]
fn links_are_not_followed() {
    let place = Place::with(
        r#"ln -s "$place/outside" "$dir/folder"
           ln -s "$place/outside/secret" "$dir/file"
           ln -s / "$dir/root"; ln -s . "$dir/loop"; mkfifo "$dir/fifo"
           rm -r "$TMPDIR"; ln -s "$place/outside" "$TMPDIR"; echo inside >"$dir/inside""#,
    );
    std::fs::create_dir(place.path("outside")).unwrap();
    std::fs::write(place.path("outside/secret"), "secret").unwrap();
    let seeker = Sought::of(&[b"secret", b"inside\n"]);
    let tried = place.run(b"x", ToolLimits::default(), &seeker);
    assert_eq!(tried.files, 1);
    assert_eq!(seeker.got(), [b"inside\n"]);
    assert_eq!(
        std::fs::read(place.path("outside/secret")).unwrap(),
        b"secret"
    );
}

#[test]
fn a_folder_that_was_left_is_removed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("left");
    std::fs::create_dir_all(left.join("a/b")).unwrap();
    std::fs::write(left.join("a/b/file"), "x").unwrap();
    for path in ["a/b/file", "a/b", "a", ""] {
        std::fs::set_permissions(left.join(path), std::fs::Permissions::from_mode(0o0)).unwrap();
    }
    remove_tree(&left).unwrap();
    assert!(!left.exists());
    std::os::unix::fs::symlink("/", &left).unwrap();
    remove_tree(&left).unwrap_err();
}
