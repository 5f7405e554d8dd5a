use proptest::prelude::*;
use ratatui::text::Line;

use super::{
    chart::{Charts, History, chart},
    dates::{Dated, dates},
    gauge::{filled, gauge},
    parts::{Part, divided, grouped, legend, stacked},
    severities::{Severity, severities},
    spark::sparkline,
};
use crate::kit::theme::{Depth, Theme};

fn theme() -> Theme {
    Theme::load("default", None, Depth::Sixteen)
}

fn texts(lines: &[Line<'_>]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn part(name: &str, value: u64) -> Part {
    Part { name: name.into(), value }
}

fn groups(counts: [(u64, u64); 4]) -> Vec<Severity> {
    let names = ["critical", "high", "medium", "low"];
    let roles = ["critical.bad", "high.bad", "medium.caution", "low.dim"];
    let all = names.into_iter().zip(roles).zip(counts);
    all.map(|((name, role), (count, fixable))| Severity { name, role, count, fixable }).collect()
}

#[test]
fn a_gauge_is_full_only_at_its_limit_and_empty_only_at_nothing() {
    assert_eq!(gauge(1, 2, 8, &theme()).to_string(), "━━━━────");
    assert_eq!(gauge(1, 1_000_000, 4, &theme()).to_string(), "━───");
    assert_eq!(gauge(999_999, 1_000_000, 4, &theme()).to_string(), "━━━─");
    assert_eq!(gauge(9, 8, 4, &theme()).to_string(), "━━━━");
    assert_eq!(gauge(0, 8, 2, &theme()).to_string(), "──");
    assert_eq!(gauge(5, 0, 2, &theme()).to_string(), "──", "no limit is known");
}

#[test]
fn a_sparkline_is_scaled_to_its_limit() {
    assert_eq!(sparkline(&[1.0, 2.0], Some(100.0), 5), "▁▁");
    assert_eq!(sparkline(&[0.0, 1.0, 2.0], None, 2), "▅█");
    assert_eq!(sparkline(&[f64::NAN, -1.0, 200.0], Some(100.0), 9), "▁▁█");
    assert_eq!(sparkline(&[], None, 4), "");
}

#[test]
fn parts_share_the_columns_and_small_ones_are_seen() {
    assert_eq!(divided(&[720, 310, 122, 41], 12), [7, 3, 1, 1]);
    assert_eq!(divided(&[1000, 1, 1], 10), [8, 1, 1]);
    assert_eq!(divided(&[1, 1, 1], 2).iter().sum::<usize>(), 2);
    assert_eq!(divided(&[0, 0], 9), [0, 0]);
    let layers = ["cuda", "base", "app", "tools", "entry"].map(|name| part(name, 100 << 20));
    assert_eq!(grouped(&layers)[3], part("2 others", 200 << 20));
    assert_eq!(stacked(&layers, 10, &theme()).to_string(), "██▓▓▒▒░░░░");
    let four = [part("cuda", 720 << 20), part("base", 310 << 20), part("app", 170 << 20)];
    assert_eq!(legend(&four, 80, &theme()).to_string(), "█ 720M cuda  ▓ 310M base  ▒ 170M app");
    assert_eq!(legend(&four, 20, &theme()).to_string(), "█ 720M cuda  ▓ 310M…");
}

#[test]
fn severities_have_one_scale_and_say_how_many_can_be_fixed() {
    let drawn = texts(&severities(&groups([(0, 0), (2, 2), (5, 4), (9, 1)]), 44, &theme()));
    let pad = |columns: usize| " ".repeat(columns);
    let wanted = [
        format!("critical   0 {}", pad(31)),
        format!("high       2 ▓▓▓▓▓{}2 fix", pad(21)),
        format!("medium     5 ▓▓▓▓▓▓▓▓▓▓▓██▉{}4 fix", pad(12)),
        format!("low        9 ▓▓{} 1 fix", "█".repeat(23)),
    ];
    assert_eq!(drawn, wanted);
}

#[test]
fn names_that_would_collide_are_left_out_and_the_newest_is_there() {
    let at = |name: &str, made| Dated { name: name.into(), made };
    let versions = [
        at("2022.5", 1_660_000_000),
        at("2023.3", 1_695_000_000),
        at("2024.1", 1_735_000_000),
        at("2024.2", 1_736_000_000),
    ];
    let drawn = texts(&dates(&versions, 44, &theme()));
    assert_eq!(drawn.len(), 3);
    assert!(drawn[0].contains("2023") && drawn[0].contains("2024") && drawn[0].contains("2025"), "{drawn:?}");
    assert!(drawn[1].contains('●') && drawn[1].contains('┼') && drawn[1].ends_with('▸'), "{drawn:?}");
    assert!(drawn[2].contains("2024.2") && drawn[2].contains("2022.5") && !drawn[2].contains("2024.1"), "{drawn:?}");
    let alone = texts(&dates(&versions[..1], 30, &theme()));
    assert!(alone[0].contains("2022-08-") && alone[2].contains("2022.5"), "{alone:?}");
    assert!(dates(&[], 40, &theme()).is_empty() && dates(&versions, 11, &theme()).is_empty());
}

fn history(values: &[f64], limit: Option<f64>) -> History<'_> {
    History { values, limit, words: |end| format!("{end:.0}"), role: "chart.bar" }
}

#[test]
fn a_chart_goes_up_to_its_limit_and_both_ends_are_written() {
    let half = [50.0; 40];
    let drawn = texts(&chart(history(&half, Some(100.0)), 14, 4, Charts::Braille, &theme()));
    assert_eq!(drawn, [" 100┤         ", "    │         ", "    │⣿⣿⣿⣿⣿⣿⣿⣿⣿", "   0┤⣿⣿⣿⣿⣿⣿⣿⣿⣿"]);
    let drawn = texts(&chart(history(&half, None), 8, 2, Charts::Blocks, &theme()));
    assert_eq!(drawn, [" 50┤████", "  0┤████"], "without a limit the largest value is the end");
    let drawn = texts(&chart(history(&[0.0, 1.0], Some(1000.0)), 10, 1, Charts::Blocks, &theme()));
    assert_eq!(drawn, [" 1000┤   ▁"], "little is not nothing, and the newest is at the right end");
    assert!(chart(history(&half, None), 20, 4, Charts::Off, &theme()).is_empty());
}

proptest! {
    #[test]
    fn no_plot_is_wider_than_asked(
        width in 0usize..=200,
        height in 0usize..=20,
        values in prop::collection::vec(any::<f64>(), 0..300),
        limit in prop::option::of(any::<f64>()),
        sizes in prop::collection::vec(any::<u64>(), 0..9),
        made in prop::collection::vec(any::<i64>(), 0..9),
        counts in any::<[(u64, u64); 4]>(),
        marks in prop::sample::select(vec![Charts::Braille, Charts::Blocks, Charts::Off]),
    ) {
        let theme = theme();
        let parts: Vec<Part> = sizes.iter().map(|size| part("日本語", *size)).collect();
        let versions: Vec<Dated> = made.iter().map(|made| Dated { name: "日本 1".into(), made: *made }).collect();
        let charts = chart(history(&values, limit), width, height, marks, &theme);
        prop_assert!(charts.len() <= height);
        let mut lines = charts;
        lines.push(gauge(counts[0].0, counts[0].1, width, &theme));
        lines.push(stacked(&parts, width, &theme));
        lines.push(legend(&parts, width, &theme));
        lines.push(sparkline(&values, limit, width).into());
        lines.extend(dates(&versions, width, &theme));
        lines.extend(severities(&groups(counts), width, &theme));
        for line in lines {
            prop_assert!(line.width() <= width, "{} columns of {width}: {line}", line.width());
        }
    }

    #[test]
    fn parts_sum_up(values in prop::collection::vec(any::<u64>(), 0..9), width in 0usize..=200) {
        let columns = divided(&values, width);
        let any = values.iter().any(|value| *value > 0);
        prop_assert_eq!(columns.iter().sum::<usize>(), if any { width } else { 0 });
        let seen = values.iter().filter(|value| **value > 0).count();
        if seen <= width {
            prop_assert!(values.iter().zip(&columns).all(|(value, columns)| *value == 0 || *columns > 0));
        }
    }

    #[test]
    fn a_gauge_tells_some_from_none_and_from_all(part in 1u64..u64::MAX, width in 2usize..=200) {
        let columns = filled(part, u64::MAX, width);
        prop_assert!(columns > 0 && columns < width);
    }
}
