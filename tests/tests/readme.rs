//! The README promises what happens when something fails, and `docs/architecture.md` that invariants are guarded: a test stands
//! behind each row, and a patch that takes it out behind each guard.

use kafkavisor_tests::environment::project;

#[test]
fn a_test_stands_behind_each_row_of_the_table() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let table = readme.lines().skip_while(|line| !line.starts_with("| what happens when"));
    let rows: Vec<_> = table.skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 30, "the table is there: {} rows", rows.len());
    let mut missing = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, _, test] = cells.as_slice() else { panic!("three cells: {row}") };
        let (file, name) =
            test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("FILE::TEST: {row}"));
        let path = project().join(format!("tests/tests/{file}.rs"));
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if !source.contains(&format!("#[test]\nfn {name}() {{")) {
            missing.push(test.to_string());
        }
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn each_guard_that_is_taken_out_is_named_in_the_architecture() {
    let text = std::fs::read_to_string(project().join("docs/architecture.md")).unwrap();
    let patches = std::fs::read_dir(project().join("tests/guards")).unwrap();
    let names: Vec<String> = patches
        .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".patch")?.to_owned()))
        .collect();
    assert!(names.len() > 40, "the guards are there: {names:?}");
    // The table of S1 leaves that away.
    let is_named = |name: &String| {
        let (_, rest) = name.split_once('-').expect("INVARIANT-GUARD");
        [name.as_str(), rest].iter().any(|name| text.contains(&format!("`{name}`")))
    };
    let unnamed: Vec<_> = names.iter().filter(|name| !is_named(name)).collect();
    assert!(unnamed.is_empty(), "not in docs/architecture.md: {unnamed:#?}");
}
