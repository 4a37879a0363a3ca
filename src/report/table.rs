//! One look for all tables.

use std::ops::Range;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A plain table: no frame, columns from the third on aligned to the right when `numbers` says from where.
#[must_use]
pub fn table(header: &[&str], rows: Vec<Vec<String>>, numbers_from: usize) -> String {
    table_with(header, rows, numbers_from..usize::MAX)
}

/// The same with numbers, aligned to the right, in some columns.
#[must_use]
pub fn table_with(header: &[&str], rows: Vec<Vec<String>>, numbers: Range<usize>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
