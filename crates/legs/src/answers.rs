//! Status codes and causes: the one place where one becomes the other.

use domain::leg::Cause;

/// What a failed INVITE of ours means to the domain.
pub(crate) fn cause_of(status: u16) -> Cause {
    match status {
        300..=399 => Cause::Redirected,
        401 | 403 | 407 => Cause::Forbidden,
        404 | 410 | 484 | 485 | 604 => Cause::NotFound,
        408 => Cause::NoAnswer,
        415 | 488 | 606 => Cause::NotAcceptable,
        486 | 600 => Cause::Busy,
        487 => Cause::Cancelled,
        603 | 607 | 608 => Cause::Declined,
        _ => Cause::Unavailable,
    }
}

/// Which of the refusals of several phones is the caller's: the one that ranks lowest (RFC 3261 s16.7 item 6).
pub(crate) fn rank(status: u16) -> (u16, u16) {
    let class = if status >= 600 { 0 } else { status / 100 };
    let within = match status {
        401 | 407 | 415 | 420 | 484 => 0,
        // These say nothing of the person who is called.
        408 | 480 | 481 | 482 | 487 => 2,
        _ => 1,
    };
    (class, within)
}

/// How a caller is refused.
pub(crate) fn status_of(cause: Cause) -> u16 {
    match cause {
        Cause::Busy => 486,
        Cause::Cancelled => 487,
        Cause::Declined => 603,
        Cause::NotFound => 404,
        Cause::Forbidden => 403,
        Cause::NotAcceptable => 488,
        Cause::Overload => 503,
        Cause::HungUp | Cause::NoAnswer | Cause::Unavailable | Cause::Redirected | Cause::Gone => 480,
    }
}
