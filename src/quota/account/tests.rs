use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const fn terms(measure: Measure, amount: u64, window: Option<Window>) -> Terms {
    Terms {
        measure,
        amount: amount * UNIT,
        window,
        offset: 0,
    }
}

const fn need(amount: u64) -> Ask {
    Ask {
        need: amount * UNIT,
        wish: 0,
    }
}

/// Noon of the first day.
const NOON: u64 = 43_200 * SECOND;
const DAY: u64 = 86_400 * SECOND;

#[wasm_bindgen_test(unsupported = test)]
fn a_window_that_moves_gives_back_evenly_and_never_more_than_was_used() {
    let terms = terms(Measure::Requests, 6, Some(Window::Minute));
    let mut account = Account::new(1);
    let mut ask = |at: u64| {
        let now = NOON + at * SECOND / 10;
        account.roll(&terms, now);
        account
            .hold(&terms, now, need(1), 0)
            .map_err(|shortage| shortage.wait)
    };
    for _ in 0..6 {
        assert!(ask(0).is_ok());
    }
    assert_eq!(ask(0), Err(10 * SECOND), "all are used");
    assert_eq!(ask(99), Err(SECOND / 10), "a tenth of a second too early");
    assert!(ask(100).is_ok());
    assert!(ask(101).is_err());
    for _ in 0..6 {
        assert!(ask(10_000).is_ok(), "all are back");
    }
    assert!(ask(10_000).is_err(), "and not one more");
}

#[wasm_bindgen_test(unsupported = test)]
fn less_than_a_token_is_lost_however_often_it_is_looked() {
    let terms = terms(Measure::Tokens, 7, Some(Window::Hour));
    let mut account = Account {
        used: 7 * UNIT,
        since: NOON,
        ..Account::new(1)
    };
    for step in 1..=3600 * 4 {
        account.roll(&terms, NOON + step * SECOND / 4);
    }
    assert!(account.used <= 1);
    account.used = 7 * UNIT;
    for step in 1..3590 * 4 {
        account.roll(&terms, NOON + 3600 * SECOND + step * SECOND / 4);
    }
    assert!(account.used > 0, "ten seconds are left");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_day_is_a_budget_and_begins_anew() {
    let terms = terms(Measure::Requests, 2, Some(Window::Day));
    let mut account = Account::new(1);
    let mut ask = |now: u64| {
        account.roll(&terms, now);
        account
            .hold(&terms, now, need(1), 0)
            .map_err(|shortage| shortage.wait)
    };
    assert!(ask(NOON).is_ok());
    assert!(ask(NOON + 1).is_ok());
    assert_eq!(ask(NOON + SECOND), Err(DAY / 2 - SECOND), "till midnight");
    assert!(ask(DAY - 1).is_err());
    assert!(ask(DAY).is_ok());
    assert!(
        ask(NOON).is_ok(),
        "the clock was set back: still the later day"
    );
    assert!(ask(NOON).is_err());
    assert!(ask(DAY + NOON).is_err());
    assert!(ask(400 * DAY).is_ok());
}

#[wasm_bindgen_test(unsupported = test)]
fn a_clock_that_was_wrong_by_months_freezes_no_budget() {
    let terms = terms(Measure::Requests, 1, Some(Window::Day));
    let mut account = Account::new(1);
    let mut ask = |now: u64| {
        account.roll(&terms, now);
        account.hold(&terms, now, need(1), 0).is_ok()
    };
    assert!(ask(400 * DAY));
    assert!(!ask(NOON), "what was used stays used");
    assert!(ask(DAY), "and the next day begins anew");
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_set_aside_is_replaced_by_what_was_spent() {
    let terms = terms(Measure::Tokens, 100, Some(Window::Day));
    for (name, spent, used, overshoot, refunded) in [
        ("less", 10, 10, 0, 50),
        ("as much", 60, 60, 0, 0),
        ("more, and there is enough", 90, 90, 0, 0),
        ("more than there is", 130, 130, 30, 0),
        ("nothing", 0, 0, 0, 60),
    ] {
        let mut account = Account::new(1);
        account.roll(&terms, NOON);
        let granted = account.hold(&terms, NOON, need(60), 3).unwrap();
        assert_eq!(account.held(), 60 * UNIT, "{name}");
        assert!(account.hold(&terms, NOON, need(41), 3).is_err(), "{name}");
        let settled = account.settle(&terms, NOON, &granted, spent * UNIT, 3);
        assert_eq!(account.used, used * UNIT, "{name}");
        assert_eq!(account.held, [], "{name}");
        let expected = Settled {
            overshoot: overshoot * UNIT,
            refunded: refunded * UNIT,
        };
        assert_eq!(settled, expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_window_that_has_turned_keeps_neither_what_was_set_aside_nor_what_was_spent() {
    for measure in [Measure::Tokens, Measure::Requests] {
        let terms = terms(measure, 100, Some(Window::Day));
        let mut account = Account::new(1);
        account.roll(&terms, NOON);
        let granted = account.hold(&terms, NOON, need(60), 0).unwrap();
        account.roll(&terms, DAY);
        assert_eq!(account.left(&terms), 100 * UNIT);
        let settled = account.settle(&terms, DAY, &granted, 70 * UNIT, 0);
        assert_eq!(settled, Settled::default());
        assert_eq!((account.used, account.held()), (0, 0));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_wish_takes_what_is_left_and_a_need_more_than_all_never_fits() {
    let terms = terms(Measure::Tokens, 100, Some(Window::Minute));
    let mut account = Account::new(1);
    account.roll(&terms, NOON);
    let ask = Ask {
        need: 30 * UNIT,
        wish: 1000 * UNIT,
    };
    assert_eq!(
        account.hold(&terms, NOON, ask, 0).unwrap().amount,
        100 * UNIT
    );
    assert!(
        account.hold(&terms, NOON, need(0), 0).is_err(),
        "nothing is left"
    );
    let shortage = Account::new(1)
        .hold(&terms, NOON, need(101), 0)
        .unwrap_err();
    assert_eq!(shortage.asked, 101 * UNIT);
}

#[wasm_bindgen_test(unsupported = test)]
fn requests_at_once_come_back_when_they_end_or_their_machine_does() {
    let terms = terms(Measure::Concurrent, 2, None);
    let mut account = Account::new(1);
    let first = account.hold(&terms, NOON, need(1), 0).unwrap();
    account.hold(&terms, NOON, need(1), 1).unwrap();
    assert!(account.hold(&terms, NOON, need(1), 0).is_err());
    account.settle(&terms, NOON, &first, 0, 0);
    let again = account.hold(&terms, NOON, need(1), 0).unwrap();
    assert!(account.sweep(&|machine| machine == 1));
    assert!(!account.sweep(&|machine| machine == 1));
    assert_eq!(account.held, [(0, UNIT)]);
    account.settle(&terms, NOON, &again, 0, 0);
    account.settle(&terms, NOON, &again, 0, 0);
    assert_eq!(account.held, [], "never less than nothing");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_request_that_reached_no_server_is_given_back_unless_it_came_back_by_itself() {
    let terms = terms(Measure::Requests, 6, Some(Window::Minute));
    for (name, before, seconds, used) in [
        ("at once", 0, 0, 0),
        ("half of it came back", 0, 5, 0),
        ("all of it came back", 0, 10, 0),
        ("others come back first", 3, 30, 0),
        ("others, and half of it", 3, 35, 0),
    ] {
        let mut account = Account::new(1);
        account.roll(&terms, NOON);
        for _ in 0..before {
            account.hold(&terms, NOON, need(1), 0).unwrap();
        }
        let granted = account.hold(&terms, NOON, need(1), 0).unwrap();
        let now = NOON + seconds * SECOND;
        account.roll(&terms, now);
        account.settle(&terms, now, &granted, 0, 0);
        assert_eq!(account.used, used * UNIT, "{name}");
    }
    // Another request used what had come back: it is not given back a second time.
    let mut account = Account::new(1);
    account.roll(&terms, NOON);
    let first = account.hold(&terms, NOON, need(1), 0).unwrap();
    let now = NOON + 10 * SECOND;
    account.roll(&terms, now);
    account.hold(&terms, now, need(1), 0).unwrap();
    account.settle(&terms, now, &first, 0, 0);
    assert_eq!(account.used, UNIT);
}
