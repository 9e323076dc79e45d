//! The README promises what happens when something fails: a test stands behind each row.

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
