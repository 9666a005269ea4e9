//! In steady state no packet costs an allocation: not relayed, not transcoded, not mixed.
#![allow(unsafe_code, reason = "a global allocator cannot be written without it")]

mod phone;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use media::Codec;
use phone::{Phone, hear, start};

/// Counts what every thread of this process allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above with the same layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn relay_transcoding_and_mix_allocate_nothing() {
    let (mut media, events) = start(62_200..=62_219, Duration::from_secs(30));
    let mut a = Phone::join(&mut media, 1, Codec::Pcmu);
    let mut b = Phone::join(&mut media, 2, Codec::Pcma);
    let c = Phone::join(&mut media, 3, Codec::Pcmu);
    let mut s = Phone::join(&mut media, 4, Codec::Pcma);
    hear(&mut media, &events, 1, &[(&a, &[&b]), (&b, &[&a]), (&c, &[&a]), (&s, &[&a, &b])]);
    let mut round = || {
        a.speak(1000);
        b.speak(2000);
        s.speak(20_000);
        let (transcoded, relayed, mixed) = ((b.hear(), a.hear()), c.hear(), s.hear());
        assert!(c.level(&relayed) > 900 && b.level(&transcoded.0) > 900 && a.level(&transcoded.1) > 1800);
        s.level(&mixed)
    };
    let warm = (0..50).map(|_| round()).max();
    assert!(warm > Some(2800), "the mix has both");
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(before > 0, "the counter counts");
    // Six seconds and more, so that reports are among what is sent.
    let loudest = (0..320).map(|_| round()).max();
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
    assert!(loudest > Some(2800));
    assert!(a.rest().is_empty());
}
