//! Phones that call each other over loopback.
