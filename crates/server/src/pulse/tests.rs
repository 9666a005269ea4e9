//! When the server says that it is not well.

use super::*;

const START: Time = Time::from_unix_ms(1_000_000);

fn after(seconds: u64) -> Time {
    START + Duration::from_secs(seconds)
}

#[test]
fn it_lives_as_long_as_the_driver_and_the_media_workers_turn() {
    let pulse = Pulse::new(START);
    assert_eq!(pulse.live(after(5)), Ok(()));
    assert!(pulse.live(after(6)).unwrap_err().contains("signalling"));
    pulse.turn(after(6));
    assert!(pulse.live(after(6)).unwrap_err().contains("media"));
    pulse.media(after(6));
    assert_eq!(pulse.live(after(11)), Ok(()));
}

#[test]
fn it_is_ready_while_it_lives_listens_can_write_and_is_not_about_to_stop() {
    let (pulse, well) = (Pulse::new(START), storage::Figures::default());
    assert_eq!(pulse.ready(START, &well), Ok(()));
    assert!(pulse.ready(after(6), &well).is_err(), "what does not live is not ready");
    assert!(pulse.ready(START, &storage::Figures { is_ailing: true, ..well }).unwrap_err().contains("database"));
    pulse.sip(false);
    assert!(pulse.ready(START, &well).unwrap_err().contains("SIP"));
    pulse.sip(true);
    pulse.drain();
    assert!(pulse.ready(START, &well).unwrap_err().contains("stop"));
    assert_eq!(pulse.live(START), Ok(()), "it is not to be killed for it");
}
