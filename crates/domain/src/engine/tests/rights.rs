//! Who may: features, roles, privileges and teams, at the request and again at each join (R-07, R-22, C-10), and the trail
//! that all of it leaves.

use super::world::{World, cast};
use crate::{
    command::{Command, DeviceOperation, Switch, UserRequest},
    config::{ContactCenter, MonitorOperation, Provision, Role, Settings, User},
    ids::PhoneNumber,
    record::AuditEvent,
};

fn world() -> World {
    World::new(Settings::default())
}

fn change_user(world: &mut World, name: &str, change: impl Fn(&mut User)) {
    let mut users = cast().users;
    users.retain(|it| it.user_name == name);
    users.iter_mut().for_each(change);
    assert_eq!(world.command(Command::Provision(Provision { users, ..Provision::default() })), ["ok"]);
}

fn remove_feature(world: &mut World, feature: &str) {
    let mut center = cast().contact_center.unwrap_or_default();
    center.features.remove(feature);
    let provision = Provision { contact_center: Some(center), ..Provision::default() };
    assert_eq!(world.command(Command::Provision(provision)), ["ok"]);
}

#[test]
fn r_22_feature_off_is_an_unknown_operation() {
    let mut world = world();
    assert_eq!(world.play("5006 listens to 5002"), "ok");
    world.play("audit");
    remove_feature(&mut world, ContactCenter::MONITORING);
    assert_eq!(world.play("shows 5006"), "NotReady");
    assert_eq!(world.play("capabilities 5005"), "[ForwardCallsOn, DoNotDisturbOn]");
    assert_eq!(world.play("5005 listens to nobody"), "no: UnknownOperation");
    assert_eq!(world.play("5005 cancels"), "no: UnknownOperation");
    assert_eq!(world.play("audit"), "OrderRefused; OrderRefused");
    remove_feature(&mut world, ContactCenter::VOICE);
    assert_eq!(world.play("5001 ready"), "no: UnknownOperation");
    assert_eq!(world.play("5005 listens to 5001"), "no: UnknownOperation");
    world.replay();
}

#[test]
fn r_22_role_lacking() {
    let mut world = world();
    assert_eq!(world.play("capabilities 5001"), "[ForwardCallsOn, DoNotDisturbOn]");
    assert_eq!(world.play("5001 listens to nobody"), "no: NotPermitted");
    assert_eq!(world.play("5001 cancels"), "no: NotPermitted");
    world.replay();
}

#[test]
fn r_22_privilege_lacking() {
    let mut world = world();
    change_user(&mut world, "sam", |it| it.monitor = [MonitorOperation::Coach].into());
    assert_eq!(world.play("capabilities 5005"), "[ForwardCallsOn, DoNotDisturbOn]");
    assert_eq!(world.play("5005 listens to 5001"), "no: NotPermitted");
}

#[test]
fn r_22_target_outside_the_supervisors_teams() {
    let mut world = world();
    assert_eq!(world.play("5005 listens to 5004"), "no: NotFound");
    assert_eq!(world.play("5005 listens to number 5004"), "no: NotFound");
    assert_eq!(world.play("5005 listens to 5004 and 9999"), "no: NotFound");
    assert_eq!(world.play("5005 listens to 5003"), "no: NotFound");
    let all: Vec<_> = world.audit_entries().iter().map(|it| it.target_number.clone().unwrap().to_string()).collect();
    assert_eq!(all[all.len() - 4..], ["5004", "5004", "5004", "5003"]);
}

#[test]
fn r_22_teams_are_looked_at_again_at_each_join() {
    let mut world = world();
    assert_eq!(world.play("5005 listens to 5001"), "ok");
    change_user(&mut world, "sam", |it| it.supervises.clear());
    assert_eq!(world.play("told 5005"), "NotReady ListenIn 5001 All Call");
    assert_eq!(world.play("0151 dials 5001"), "call 5001");
    assert_eq!(world.play("5001 answers"), "answer 0151");
    assert_eq!(world.play("told 5005"), "failed NotPermitted");
    assert_eq!(world.play("audit"), "OrderArmed; SessionEnded not_permitted");
    assert_eq!(world.play("0151 hangs up"), "bye 5001");
    change_user(&mut world, "sam", |it| it.roles = [Role::Supervisor].into());
    assert_eq!(world.play("0151 dials 5001"), "call 5001");
    assert_eq!(world.play("5001 answers"), "answer 0151, offer 5005");
    world.replay();
}

#[test]
fn r_07_the_device_in_the_url_is_not_ones_own() {
    let mut world = world();
    let by = world.user_of("5005");
    for device in [Some(world.device("5001").id), None] {
        let operations = [DeviceOperation::CancelMonitoring, DeviceOperation::DoNotDisturb(Switch::On)];
        for operation in operations {
            let request = UserRequest::Device { device, operation };
            assert_eq!(world.command(Command::User { by, request }), ["no: NotFound"]);
        }
    }
}

#[test]
fn a_device_in_use_cannot_be_logged_in_to() {
    let mut world = world();
    change_user(&mut world, "bob", |it| it.device = "5001".parse().ok());
    // Bob stays where he logged in until he logs out.
    assert_eq!(world.play("shows 5002"), "NotReady");
    let by = world.user_of("5002");
    assert_eq!(world.command(Command::User { by, request: UserRequest::EndSession }), ["ok"]);
    let start = crate::command::StartSession { channels: vec!["voice".into(), "chat".into()] };
    let request = UserRequest::StartSession(Ok(start));
    assert_eq!(world.command(Command::User { by, request: request.clone() }), ["no: InUse"]);
    assert_eq!(world.play("5001 logs out"), "ok");
    assert_eq!(world.command(Command::User { by, request: request.clone() }), ["partly"]);
    assert_eq!(world.play("5001 logs in"), "no: InUse");
    world.replay();
}

#[test]
fn a_session_needs_voice_and_a_default_place() {
    let mut world = world();
    change_user(&mut world, "dan", |it| it.device = None);
    assert_eq!(world.play("5004 logs in"), "no: NotNow");
    let by = world.user_of("5004");
    let start = crate::command::StartSession { channels: vec!["chat".into()] };
    let request = UserRequest::StartSession(Ok(start));
    assert_eq!(world.command(Command::User { by, request }), ["no: OutOfRange"]);
}

#[test]
fn a_phone_set_to_ring_is_not_asked_to_answer_by_itself() {
    let mut world = world();
    let mut devices = cast().devices;
    devices.retain(|it| it.phone_number.as_str() == "5005");
    devices.iter_mut().for_each(|it| it.auto_answer = Some(false));
    world.command(Command::Provision(Provision { devices, ..Provision::default() }));
    assert_eq!(world.play("5005 listens to 5001"), "ok");
    assert_eq!(world.play("0151 dials 5001"), "call 5001");
    assert_eq!(world.play("5001 answers"), "answer 0151, ring for a session at 5005");
}

#[test]
fn an_operator_who_changes_nothing_writes_nothing() {
    let mut world = world();
    let before = world.disk.saved.clone();
    world.play("storage fails");
    assert_eq!(world.command(Command::Provision(cast())), ["ok"]);
    assert_eq!(world.disk.saved, before);
}

#[test]
fn the_trail_says_who_whom_which_call_and_why() {
    let mut world = world();
    world.play("5005 listens to 5001");
    world.play("0151 dials 5001");
    world.play("5001 answers");
    world.play("5005 answers");
    world.play("5005 hangs up");
    let entries = world.audit_entries();
    let call = entries.last().and_then(|it| it.call);
    assert!(call.is_some());
    for entry in entries {
        assert_eq!(entry.supervisor_name, "sam");
        assert_eq!(entry.supervisor_number.as_ref().map(PhoneNumber::as_str), Some("5005"));
        assert_eq!(entry.target_number.as_ref().map(PhoneNumber::as_str), Some("5001"));
        assert_eq!(entry.target_name.as_deref(), Some("ada"));
        assert_eq!(entry.operation, Some(MonitorOperation::ListenIn));
        assert!(entry.order.is_some());
        let of_a_session = entry.what != AuditEvent::OrderArmed;
        assert_eq!(entry.session.is_some(), of_a_session);
        assert_eq!(entry.call, call.filter(|_| of_a_session));
    }
    assert_eq!(entries.last().and_then(|it| it.reason.as_deref()), Some("left"));
}
