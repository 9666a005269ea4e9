//! Calls between two parties.

use super::check;

#[test]
fn a_device_calls_a_device() {
    check(
        "
         0s | 5001 dials 5002   | call 5002
         1s | 5002 rings        | ring 5001
         1s | calls 5001        | Internal Dialing with 5002
         1s | calls 5002        | Internal Ringing with 5001
         2s | 5002 answers      | answer 5001
         2s | hears 5001        | 5002
         2s | hears 5002        | 5001
         2s | calls 5001        | Internal Established with 5002
         2s | told 5001         | Internal Dialing with 5002; Internal Established with 5002
         9s | 5002 hangs up     | bye 5001
         9s | told 5002         | Internal Ringing with 5001; Internal Established with 5001; Internal Released with 5001
         9s | rest              |
    ",
    );
}
