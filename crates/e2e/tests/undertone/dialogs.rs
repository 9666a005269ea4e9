//! SIP beyond the plain call, with phones that others wrote: several contacts, session timers, PRACK, UPDATE.

use e2e::{
    AGENT_TONE, Baresip, CUSTOMER_TONE, Phone, Pjsua, Policy, SUPERVISOR_TONE, Scene, Setup, assert_hears, connect,
    listen,
};

#[test]
fn rfc3261_16_7_every_phone_of_a_number_rings_and_one_answers() {
    let scene = Scene::new(&Setup::new());
    let mut desk = Baresip::device(&scene.server, "5001", AGENT_TONE, Policy::Ring);
    let mut soft = Pjsua::device(&scene.server, "5001", 700, Policy::Ring);
    let mut customer = scene.customer();
    for winner in 0..2 {
        customer.dial("5001");
        desk.wait_ringing();
        soft.wait_ringing();
        let (winner, loser): (&mut dyn Phone, &mut dyn Phone) =
            if winner == 0 { (&mut desk, &mut soft) } else { (&mut soft, &mut desk) };
        winner.answer();
        customer.wait_established();
        winner.wait_established();
        loser.wait_ended();
        customer.hang_up();
        winner.wait_ended();
    }
    assert_eq!(
        customer.received().iter().filter(|it| *it == "180 INVITE").count(),
        2,
        "once a call, though two phones ring"
    );
    soft.policy(Policy::Refuse(486));
    customer.dial("5001");
    desk.wait_ringing();
    desk.answer();
    customer.wait_established();
    let heard = listen(1.8, &mut [&mut customer]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, 700]);
    customer.hang_up();
    desk.wait_ended();
    soft.policy(Policy::Refuse(603));
    customer.dial("5001");
    assert_eq!(customer.wait_end_status(), 603, "a 6xx speaks for all");
}

#[test]
fn a_supervisor_with_two_phones_listens_on_the_one_that_answers() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut desk = Baresip::device(&scene.server, "5005", 600, Policy::Ring);
    let mut soft = Pjsua::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    scene.listen_in("super1", "5001", &serde_json::json!({}));
    connect(&mut customer, &mut agent, "5001");
    soft.wait_established();
    desk.wait_ended();
    let heard = listen(1.8, &mut [&mut soft, &mut customer]);
    assert_hears("supervisor", &heard[0], &[AGENT_TONE, CUSTOMER_TONE], &[SUPERVISOR_TONE, 600]);
    assert_hears("customer", &heard[1], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE, 600]);
}
