//! The list of figures and the page that explains it.

use super::*;

#[test]
fn the_page_lists_every_figure_and_no_other() {
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter_map(|it| it.strip_prefix("| `")?.split('`').next());
    let mut explained: Vec<&str> = rows.map(|it| it.split('{').next().unwrap_or(it)).collect();
    let mut counted: Vec<&str> = FIGURES.iter().map(|it| it.0).collect();
    explained.sort_unstable();
    counted.sort_unstable();
    assert_eq!(explained, counted);
}

#[test]
fn counters_are_named_as_such_and_nothing_else_is() {
    for (name, kind, _, help) in FIGURES {
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(name.starts_with("undertone_") && !help.is_empty(), "{name}");
    }
}

#[test]
fn what_is_counted_can_be_read() {
    let handle = start().unwrap();
    call_begun();
    call_ended(Some(Cause::Busy));
    refused(RefusalKind::NotNow);
    audited(AuditEvent::SessionEnded, Some("call_ended"));
    answered("GET", "/api/v2/me", 401);
    let text = handle.render();
    for line in [
        "# TYPE undertone_calls_begun_total counter",
        "undertone_calls_ended_total{cause=\"busy\"} 1",
        "undertone_commands_refused_total{kind=\"not_now\"} 1",
        "undertone_sessions_ended_total{reason=\"call_ended\"} 1",
        "undertone_http_requests_total{method=\"GET\",route=\"/api/v2/me\",status=\"401\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}
