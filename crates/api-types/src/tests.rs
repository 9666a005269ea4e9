//! Each resource and message to the byte, and each mistake in a body.

use std::sync::Arc;

use clock::Time;
use domain::{
    command::{
        AgentRequest, CallOperation, Calls, DeviceOperation, FormError, MonitorForm, Refusal, RefusalKind, Scope,
        StartSession, Switch, TargetUri, UserRequest,
    },
    config::{MonitorOperation, Role, Secret, TelephonyNetwork},
    ids::{CallId, DeviceId, UserId},
    view::{
        AgentState, CallNotice, CallState, CallType, CallView, Capability, DeviceView, MonitoringView, Notice,
        Notification, UserView,
    },
};
use serde::Serialize;

use super::*;

const SUPERVISORS_DEVICE: &str = "efe1ab32-53f9-43ce-b65e-5768c61f7d4a";
const TARGET: &str = "9c14cad7-17c4-48d0-8492-7cf0ff92c224";

fn links() -> Links {
    Links::new("http://localhost:8080/")
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

fn device_view() -> DeviceView {
    use Capability::*;
    DeviceView {
        id: id(SUPERVISORS_DEVICE),
        owner: Some(UserId(1)),
        teams: ["support".into()].into(),
        active: true,
        agent_state: AgentState::NotReady,
        phone_number: "5005".parse().unwrap(),
        telephony_network: TelephonyNetwork::Private,
        do_not_disturb: true,
        forward_to: None,
        capabilities: vec![ForwardCallsOn, DoNotDisturbOff, ListenIn, CancelSupervisorMonitoring],
        monitoring: Some(MonitoringView {
            operation: MonitorOperation::ListenIn,
            calls: Calls::All,
            scope: Scope::Call,
            target: Some(id(TARGET)),
            phone_number: "5001".parse().unwrap(),
            switch_name: "SIP_Switch".into(),
        }),
    }
}

fn call_view() -> CallView {
    CallView {
        call: CallId(0x0AB3_0000_0000_0000_0071_030A_4C55_E01B),
        device: id(SUPERVISORS_DEVICE),
        phone_number: "5005".parse().unwrap(),
        owner: Some(UserId(1)),
        state: CallState::Established,
        call_type: CallType::Inbound,
        participants: vec!["+493012345".into(), "5001".into()],
        dnis: "5001".into(),
        ani: Some("+493012345".into()),
        capabilities: vec![Capability::Hangup],
        since: Time::from_unix_ms(1_000),
        until: None,
        muted: true,
        supervisor_listening_in: false,
        monitoring: Some(MonitorOperation::ListenIn),
    }
}

fn user_view() -> UserView {
    UserView {
        id: UserId(0x5c0f_2f6e_7a3b_4d1f_9d2a_6b8e_1c4f_7a90),
        user_name: "lead".into(),
        password_hash: Secret("secret".into()),
        first_name: "Maja".into(),
        last_name: "Lindqvist".into(),
        roles: [Role::Agent, Role::Supervisor, Role::Admin].into(),
        devices: vec![],
        teams: [].into(),
        supervises: [].into(),
        agent_state: AgentState::Offline,
    }
}

const MONITORING_DEVICE: &str = r#"{
  "id": "efe1ab32-53f9-43ce-b65e-5768c61f7d4a",
  "deviceState": "Active",
  "userState": {
    "id": "900D55CC-2BB0-431F-8BF9-D3525B383BE6",
    "displayName": "Not Ready",
    "state": "NotReady"
  },
  "phoneNumber": "5005",
  "e164Number": "5005",
  "telephonyNetwork": "Private",
  "doNotDisturb": "On",
  "voiceEnvironmentUri": "",
  "capabilities": [
    "ForwardCallsOn",
    "DoNotDisturbOff",
    "ListenIn",
    "CancelSupervisorMonitoring"
  ],
  "supervisorMonitoringState": {
    "state": "ListenIn",
    "mode": "AllCalls",
    "scope": "Call",
    "targetDeviceUri": "http://localhost:8080/api/v2/devices/9c14cad7-17c4-48d0-8492-7cf0ff92c224",
    "phoneNumber": "5001",
    "switchName": "SIP_Switch"
  }
}"#;

#[test]
fn a_device_that_monitors() {
    assert_eq!(json(&device(&device_view(), &links())), MONITORING_DEVICE);
}

#[test]
fn a_device_before_its_session_and_forwarded() {
    let view = DeviceView {
        active: false,
        agent_state: AgentState::Offline,
        telephony_network: TelephonyNetwork::Public,
        do_not_disturb: false,
        forward_to: Some("5009".parse().unwrap()),
        capabilities: vec![Capability::ForwardCallsOff, Capability::DoNotDisturbOn],
        monitoring: None,
        ..device_view()
    };
    let wanted = r#"{
  "id": "efe1ab32-53f9-43ce-b65e-5768c61f7d4a",
  "deviceState": "Inactive",
  "userState": {
    "id": "0F7F5003-EF26-4D13-A6Ef-D0C7EC819BEB",
    "displayName": "Offline",
    "state": "LoggedOut"
  },
  "phoneNumber": "5005",
  "e164Number": "5005",
  "telephonyNetwork": "Public",
  "doNotDisturb": "Off",
  "forwardTo": "5009",
  "voiceEnvironmentUri": "",
  "capabilities": [
    "ForwardCallsOff",
    "DoNotDisturbOn"
  ]
}"#;
    assert_eq!(json(&device(&view, &links())), wanted);
}

#[test]
fn the_order_of_a_queue_has_an_empty_target_uri() {
    let mut view = device_view();
    view.monitoring.as_mut().unwrap().target = None;
    assert!(json(&device(&view, &links())).contains("\"targetDeviceUri\": \"\","));
}

const SUPERVISORS_CALL: &str = r#"{
  "id": "0AB30000000000000071030A4C55E01B",
  "callUuid": "0AB30000000000000071030A4C55E01B",
  "connId": "0071030a4c55e01b",
  "state": "Established",
  "callType": "Inbound",
  "dnis": "5001",
  "ani": "+493012345",
  "deviceUri": "http://localhost:8080/api/v2/devices/efe1ab32-53f9-43ce-b65e-5768c61f7d4a",
  "participants": [
    {
      "phoneNumber": "+493012345",
      "digits": "493012345",
      "formattedPhoneNumber": "+493012345",
      "e164Number": "+493012345"
    },
    {
      "phoneNumber": "5001",
      "digits": "5001",
      "formattedPhoneNumber": "5001",
      "e164Number": ""
    }
  ],
  "capabilities": [
    "Hangup"
  ],
  "duration": "12",
  "mute": "On",
  "recordingState": "Stopped",
  "supervisorListeningIn": false,
  "monitoredUserMuted": false,
  "monitoring": true,
  "supervisorMonitoringState": {
    "state": "ListenIn"
  },
  "uri": "http://localhost:8080/api/v2/me/calls/0AB30000000000000071030A4C55E01B",
  "path": "/calls/0AB30000000000000071030A4C55E01B"
}"#;

#[test]
fn a_supervisors_call() {
    assert_eq!(json(&call(&call_view(), &links(), Time::from_unix_ms(13_999))), SUPERVISORS_CALL);
}

#[test]
fn an_agents_call_that_is_over() {
    let view = CallView {
        state: CallState::Released,
        call_type: CallType::Internal,
        participants: vec![],
        ani: None,
        capabilities: vec![],
        until: Some(Time::from_unix_ms(62_000)),
        muted: false,
        supervisor_listening_in: true,
        monitoring: None,
        ..call_view()
    };
    let wanted = r#"{
  "id": "0AB30000000000000071030A4C55E01B",
  "callUuid": "0AB30000000000000071030A4C55E01B",
  "connId": "0071030a4c55e01b",
  "state": "Released",
  "callType": "Internal",
  "dnis": "5001",
  "deviceUri": "http://localhost:8080/api/v2/devices/efe1ab32-53f9-43ce-b65e-5768c61f7d4a",
  "participants": [],
  "capabilities": [],
  "duration": "61",
  "mute": "Off",
  "recordingState": "Stopped",
  "supervisorListeningIn": true,
  "monitoredUserMuted": false,
  "monitoring": false,
  "uri": "http://localhost:8080/api/v2/me/calls/0AB30000000000000071030A4C55E01B",
  "path": "/calls/0AB30000000000000071030A4C55E01B"
}"#;
    assert_eq!(json(&call(&view, &links(), Time::from_unix_ms(999_000))), wanted);
}

#[test]
fn a_user_without_subresources() {
    let wanted = r#"{
  "id": "5c0f2f6e7a3b4d1f9d2a6b8e1c4f7a90",
  "userName": "lead",
  "firstName": "Maja",
  "lastName": "Lindqvist",
  "roles": [
    "ROLE_AGENT",
    "ROLE_SUPERVISOR",
    "ROLE_ADMIN"
  ],
  "enabled": true,
  "changePasswordOnFirstLogin": false,
  "uri": "http://localhost:8080/api/v2/users/5c0f2f6e7a3b4d1f9d2a6b8e1c4f7a90",
  "path": "/users/5c0f2f6e7a3b4d1f9d2a6b8e1c4f7a90"
}"#;
    assert_eq!(json(&user(&user_view(), &links())), wanted);
}

#[test]
fn a_feature() {
    let wanted = r#"{
  "id": "api-supervisor-monitoring",
  "displayName": "Supervisor monitoring",
  "description": "Lets supervisors monitor agents",
  "uri": "http://localhost:8080/api/v2/features/api-supervisor-monitoring",
  "path": "/features/api-supervisor-monitoring"
}"#;
    assert_eq!(json(&feature("api-supervisor-monitoring", &links())), wanted);
    assert_eq!(feature("api-own", &links()).display_name, "api-own");
    for known in domain::config::ContactCenter::DEFAULT_FEATURES {
        assert!(all_features().any(|it| it == known), "{known}");
    }
}

#[test]
fn envelopes() {
    let refusal = |kind, text: &str| Refusal { kind, text: text.into() };
    assert_eq!(serde_json::to_string(&Done).unwrap(), r#"{"statusCode":0}"#);
    assert_eq!(serde_json::to_string(&Found("uris", ["a"])).unwrap(), r#"{"statusCode":0,"uris":["a"]}"#);
    assert_eq!(
        serde_json::to_string(&Failure::from(&refusal(RefusalKind::InUse, "taken"))).unwrap(),
        r#"{"statusCode":19,"statusMessage":"taken"}"#
    );
    let results = [("voice".into(), None), ("chat".into(), Some(refusal(RefusalKind::NotFound, "no chat here")))];
    assert_eq!(
        serde_json::to_string(&partial(&results)).unwrap(),
        r#"{"statusCode":7,"channels":[{"channel":"voice","statusCode":0},{"channel":"chat","statusCode":6,"statusMessage":"no chat here"}]}"#
    );
}

/// The topic and the data of a notice.
fn message(notice: Notice) -> (&'static str, String) {
    let sent = Notification { user: UserId(1), number: 1, notice };
    let (topic, data) = notification(&sent, &links(), Time::from_unix_ms(13_999));
    (topic, serde_json::to_string(&data).unwrap())
}

fn compact(json: &str) -> String {
    json.lines().map(str::trim_start).collect::<String>().replace("\": ", "\":")
}

#[test]
fn a_device_state_change_message() {
    let (topic, data) = message(Notice::Device(Arc::new(device_view())));
    assert_eq!(topic, "/v2/me/devices");
    let device = compact(MONITORING_DEVICE);
    assert_eq!(data, format!(r#"{{"messageType":"DeviceStateChangeMessage","devices":[{device}]}}"#));
}

#[test]
fn a_call_state_change_message_of_a_supervisors_call() {
    let (topic, data) = message(Notice::Call(CallNotice::StatusChange, Arc::new(call_view())));
    assert_eq!(topic, "/v2/me/calls");
    let head = r#""messageType":"CallStateChangeMessage","notificationType":"StatusChange","phoneNumber":"5005""#;
    let call = compact(SUPERVISORS_CALL);
    assert_eq!(data, format!(r#"{{{head},"extensions":{{"WrapUpTime":0,"BusinessCall":0}},"call":{call}}}"#));
}

#[test]
fn a_call_state_change_message_of_an_agents_call_has_no_extensions() {
    let view = CallView { monitoring: None, ..call_view() };
    let (_, data) = message(Notice::Call(CallNotice::ParticipantsUpdated, Arc::new(view)));
    assert!(data.contains(r#""notificationType":"ParticipantsUpdated","phoneNumber":"5005","call":{"#), "{data}");
}

#[test]
fn a_channel_state_change_message() {
    let wanted = r#"{"messageType":"ChannelStateChangeMessageV2","channels":[{"channel":"voice","userState":{"id":"9430250E-0A1B-421F-B372-F29E69366DED","displayName":"Ready","state":"Ready"}}]}"#;
    assert_eq!(message(Notice::Channel(AgentState::Ready)), ("/v2/me/channels", wanted.into()));
}

#[test]
fn an_error_message() {
    let refusal = Refusal { kind: RefusalKind::NotNow, text: "5005 is busy".into() };
    let wanted = r#"{"messageType":"ErrorMessage","errorMessage":"5005 is busy","errorCode":2}"#;
    assert_eq!(message(Notice::Failed(refusal)), ("/v2/me/devices", wanted.into()));
}

mod requests {
    use super::*;

    fn asked(body: &str) -> UserRequest {
        request::device(SUPERVISORS_DEVICE, body.as_bytes()).unwrap().request
    }

    /// The form of a ListenIn with these fields beside its name.
    fn form(fields: &str) -> Result<MonitorForm, FormError> {
        match asked(&format!(r#"{{"operationName":"ListenIn"{fields}}}"#)) {
            UserRequest::Device { operation: DeviceOperation::Monitor(MonitorOperation::ListenIn, form), .. } => form,
            other => panic!("{other:?}"),
        }
    }

    fn target(uri: &str) -> Option<TargetUri> {
        form(&format!(r#","phoneNumber":"1","targetDeviceUri":"{uri}""#)).unwrap().target
    }

    fn missing<T>(text: &str) -> Result<T, FormError> {
        Err(FormError::Missing(text.into()))
    }

    fn out_of_range<T>(text: &str) -> Result<T, FormError> {
        Err(FormError::OutOfRange(text.into()))
    }

    fn refused(kind: RefusalKind, text: &str) -> Refusal {
        Refusal { kind, text: text.into() }
    }

    #[test]
    fn r_02_scope_and_mode_default_to_call_and_all_calls() {
        let uri = "http://localhost:8080/api/v2/devices/9c14cad7-17c4-48d0-8492-7cf0ff92c224";
        let wanted = MonitorForm {
            target: Some(TargetUri::Device(id(TARGET))),
            phone_number: None,
            scope: Scope::Call,
            calls: Calls::All,
        };
        assert_eq!(form(&format!(r#","targetDeviceUri":"{uri}""#)), Ok(wanted.clone()));
        let nulls = r#","supervisorMonitoringScope":null,"supervisorMonitoringMode":null,"phoneNumber":null"#;
        assert_eq!(form(&format!(r#","targetDeviceUri":"{uri}"{nulls}"#)), Ok(wanted));
    }

    #[test]
    fn scope_mode_and_number_are_read() {
        let fields =
            r#","phoneNumber":"+5001","supervisorMonitoringScope":"Agent","supervisorMonitoringMode":"NextCall""#;
        let wanted = MonitorForm {
            target: None,
            phone_number: Some("+5001".parse().unwrap()),
            scope: Scope::Agent,
            calls: Calls::Next,
        };
        assert_eq!(form(fields), Ok(wanted.clone()));
        assert_eq!(form(&format!(r#"{fields},"targetDeviceUri":"","surprise":[1]"#)), Ok(wanted));
    }

    #[test]
    fn r_03_a_misspelled_scope_or_mode_is_refused_with_what_is_allowed() {
        let number = r#","phoneNumber":"5001""#;
        let scope = "supervisorMonitoringScope must be Call or Agent";
        assert_eq!(form(&format!(r#"{number},"supervisorMonitoringScope":"agent""#)), out_of_range(scope));
        assert_eq!(form(&format!(r#"{number},"supervisorMonitoringScope":7"#)), out_of_range(scope));
        let mode = "supervisorMonitoringMode must be AllCalls or NextCall";
        assert_eq!(form(&format!(r#"{number},"supervisorMonitoringMode":"Never""#)), out_of_range(mode));
    }

    #[test]
    fn r_04_neither_target_nor_number_is_missing_even_where_more_is_wrong() {
        let text = "targetDeviceUri or phoneNumber is required";
        assert_eq!(form(""), missing(text));
        assert_eq!(form(r#","targetDeviceUri":"","phoneNumber":"""#), missing(text));
        assert_eq!(form(r#","supervisorMonitoringScope":"Galaxy""#), missing(text));
    }

    #[test]
    fn values_of_a_wrong_type_or_form_are_out_of_range() {
        assert_eq!(form(r#","targetDeviceUri":5"#), out_of_range("targetDeviceUri must be a string"));
        assert_eq!(form(r#","phoneNumber":5001"#), out_of_range("phoneNumber must be a string"));
        let text = "phoneNumber: \"<monitored>\" is not a phone number of 1 to 32 digits, with or without a leading +";
        assert_eq!(form(r#","phoneNumber":"<monitored>""#), out_of_range(text));
    }

    #[test]
    fn a_target_is_known_by_its_path_alone() {
        let known = [
            "https://elsewhere.example/api/v2/devices/",
            "http://localhost:8080/cloud-web/api/v2/devices/",
            "http://[::1]:8080/api/v2/devices/",
            "/api/v2/devices/",
            "api/v2/devices/",
            "/devices/",
            "http://localhost:8080/devices/",
        ];
        for parent in known {
            for end in ["", "/", "?fields=*", "#top"] {
                let uri = format!("{parent}{TARGET}{end}");
                assert_eq!(target(&uri), Some(TargetUri::Device(id(TARGET))), "{uri}");
            }
        }
        let upper = TARGET.to_uppercase();
        assert_eq!(target(&format!("/devices/{upper}")), Some(TargetUri::Device(id(TARGET))));
        let foreign = [
            TARGET.to_owned(),
            "http://localhost:8080".to_owned(),
            "nonsense".to_owned(),
            "/api/v2/devices/7".to_owned(),
            format!("/api/v2/me/devices/{TARGET}"),
            format!("/api/v2/users/{TARGET}"),
            format!("/api/v2/devices/{TARGET}/calls"),
        ];
        for uri in foreign {
            assert_eq!(target(&uri), Some(TargetUri::Nothing), "{uri}");
        }
    }

    #[test]
    fn every_operation_of_a_device_is_read() {
        let on = |operation| UserRequest::Device { device: Some(id(SUPERVISORS_DEVICE)), operation };
        let plain = |name: &str| asked(&format!(r#"{{"operationName":"{name}"}}"#));
        assert_eq!(plain("CancelSupervisorMonitoring"), on(DeviceOperation::CancelMonitoring));
        assert_eq!(plain("DoNotDisturbOn"), on(DeviceOperation::DoNotDisturb(Switch::On)));
        assert_eq!(plain("DoNotDisturbOff"), on(DeviceOperation::DoNotDisturb(Switch::Off)));
        assert_eq!(plain("ForwardCallsOff"), on(DeviceOperation::ForwardOff));
        let empty = || missing("targetDeviceUri or phoneNumber is required");
        for (name, operation) in [("Coach", MonitorOperation::Coach), ("BargeIn", MonitorOperation::BargeIn)] {
            assert_eq!(plain(name), on(DeviceOperation::Monitor(operation, empty())));
        }
    }

    #[test]
    fn forwarding_takes_a_plain_string_and_an_object() {
        let destination =
            |value: &str| match asked(&format!(r#"{{"operationName":"ForwardCallsOn","destination":{value}}}"#)) {
                UserRequest::Device { operation: DeviceOperation::ForwardOn(it), .. } => it,
                other => panic!("{other:?}"),
            };
        assert_eq!(destination(r#""5009""#), Ok("5009".parse().unwrap()));
        assert_eq!(destination(r#"{"phoneNumber":"5009"}"#), Ok("5009".parse().unwrap()));
        assert_eq!(destination("null"), missing("destination is missing"));
        assert_eq!(destination("{}"), missing("destination is missing"));
        assert_eq!(destination("5009"), out_of_range("destination must be a string"));
    }

    #[test]
    fn dial_takes_an_object_and_a_plain_string_on_the_device_and_its_calls() {
        let numbered = |body: &str| {
            let here = request::device_calls(SUPERVISORS_DEVICE, body.as_bytes()).unwrap();
            assert_eq!(Ok(&here), request::device(SUPERVISORS_DEVICE, body.as_bytes()).as_ref());
            match here.request {
                UserRequest::Device { device, operation: DeviceOperation::Dial(it) } => {
                    assert_eq!(device, Some(id(SUPERVISORS_DEVICE)));
                    it
                }
                other => panic!("{other:?}"),
            }
        };
        let dial = |destination: &str| numbered(&format!(r#"{{"operationName":"Dial"{destination}}}"#));
        assert_eq!(dial(r#","destination":{"phoneNumber":"5009"},"location":"x""#), Ok("5009".parse().unwrap()));
        assert_eq!(dial(r#","destination":"+495009""#), Ok("+495009".parse().unwrap()));
        assert_eq!(dial(""), missing("destination is missing"));
        assert_eq!(dial(r#","destination":{}"#), missing("destination is missing"));
        assert_eq!(dial(r#","destination":{"phoneNumber":7}"#), out_of_range("phoneNumber must be a string"));
        let text = "destination: \"Bob\" is not a phone number of 1 to 32 digits, with or without a leading +";
        assert_eq!(dial(r#","destination":"Bob""#), out_of_range(text));
        assert!(request::device_calls("x", br#"{"operationName":"DoNotDisturbOn"}"#).is_err());
    }

    #[test]
    fn operations_of_a_call() {
        for (name, operation) in [
            ("Hangup", CallOperation::Hangup),
            ("Answer", CallOperation::Answer),
            ("Hold", CallOperation::Hold),
            ("Retrieve", CallOperation::Retrieve),
        ] {
            let body = format!(r#"{{"operationName":"{name}"}}"#);
            let wanted = UserRequest::Call { call: Some(call_view().call), operation };
            assert_eq!(request::call("0AB30000000000000071030A4C55E01B", body.as_bytes()).unwrap().request, wanted);
        }
    }

    #[test]
    fn an_id_that_is_none_travels_as_none() {
        let hangup = br#"{"operationName":"Hangup"}"#;
        let call = |id| request::call(id, hangup).unwrap().request;
        let wanted = |call| UserRequest::Call { call, operation: CallOperation::Hangup };
        assert_eq!(call("0AB30000000000000071030A4C55E01B"), wanted(Some(call_view().call)));
        assert_eq!(call("nonsense"), wanted(None));
        let cancel = br#"{"operationName":"CancelSupervisorMonitoring"}"#;
        let UserRequest::Device { device, .. } = request::device("7", cancel).unwrap().request else {
            panic!("another request");
        };
        assert_eq!(device, None);
    }

    #[test]
    fn sessions_and_agent_states() {
        let me = |body: &str| request::me(body.as_bytes()).unwrap().request;
        let start = |rest: &str| me(&format!(r#"{{"operationName":"StartContactCenterSession"{rest}}}"#));
        let session = |channels: &[&str]| StartSession { channels: channels.iter().map(|&it| it.into()).collect() };
        let list = || out_of_range("channels must be an array of strings such as [\"voice\"]");
        assert_eq!(
            start(r#","channels":["voice","chat"]"#),
            UserRequest::StartSession(Ok(session(&["voice", "chat"])))
        );
        assert_eq!(start(""), UserRequest::StartSession(missing("channels is missing")));
        assert_eq!(start(r#","channels":[]"#), UserRequest::StartSession(missing("channels names no channel")));
        assert_eq!(start(r#","channels":"voice""#), UserRequest::StartSession(list()));
        assert_eq!(start(r#","channels":[1]"#), UserRequest::StartSession(list()));
        assert_eq!(me(r#"{"operationName":"EndContactCenterSession"}"#), UserRequest::EndSession);
        for (name, state) in [
            ("Ready", AgentRequest::Ready),
            ("NotReady", AgentRequest::NotReady),
            ("AfterCallWork", AgentRequest::AfterCallWork),
            ("AuxWork", AgentRequest::AuxWork),
        ] {
            let body = format!(r#"{{"operationName":"{name}"}}"#);
            assert_eq!(me(&body), UserRequest::SetAgentState(state));
            let channel = request::voice_channel(body.as_bytes()).unwrap();
            assert_eq!((channel.name.as_str(), channel.request), (name, UserRequest::SetAgentState(state)));
        }
    }

    #[test]
    fn an_operation_that_does_not_exist_is_unknown_on_every_resource() {
        let wanted = refused(RefusalKind::UnknownOperation, "\"Dance\" is not an operation of this resource");
        let body = br#"{"operationName":"Dance"}"#;
        assert_eq!(request::me(body), Err(wanted.clone()));
        assert_eq!(request::device(SUPERVISORS_DEVICE, body), Err(wanted.clone()));
        assert_eq!(request::call("x", body), Err(wanted.clone()));
        assert_eq!(request::voice_channel(body), Err(wanted));
        // Names are as written: another case is another name.
        assert!(request::device(SUPERVISORS_DEVICE, br#"{"operationName":"listenIn"}"#).is_err());
    }

    #[test]
    fn r_24_a_trailing_comma_is_refused_with_its_position() {
        let sample = "{\n  \"operationName\": \"ListenIn\",\n  \"targetDeviceUri\": \"http://localhost:8080/api/v2/devices/9c14cad7-17c4-48d0-8492-7cf0ff92c224\",\n}";
        let text = "the body is not valid JSON: trailing comma at line 4 column 1";
        assert_eq!(request::device(SUPERVISORS_DEVICE, sample.as_bytes()), Err(refused(RefusalKind::OutOfRange, text)));
    }

    #[test]
    fn bodies_that_are_no_operation_are_refused() {
        let cases: [(&[u8], RefusalKind, &str); 8] = [
            (b"", RefusalKind::Missing, "the body is empty: operationName is missing"),
            (b" \n", RefusalKind::Missing, "the body is empty: operationName is missing"),
            (b"{}", RefusalKind::Missing, "operationName is missing"),
            (b"{\"operationName\":null}", RefusalKind::Missing, "operationName is missing"),
            (b"{\"operationName\":7}", RefusalKind::OutOfRange, "operationName must be a string"),
            (b"[1]", RefusalKind::OutOfRange, "the body must be a JSON object"),
            (
                b"{\"a\":\"\xff\"}",
                RefusalKind::OutOfRange,
                "the body is not valid JSON: invalid unicode code point at line 1 column 7",
            ),
            (
                b"{\"a\":1} x",
                RefusalKind::OutOfRange,
                "the body is not valid JSON: trailing characters at line 1 column 9",
            ),
        ];
        for (body, kind, text) in cases {
            assert_eq!(request::me(body), Err(refused(kind, text)));
        }
        let deep = "[".repeat(10_000);
        assert_eq!(request::me(deep.as_bytes()).unwrap_err().kind, RefusalKind::OutOfRange);
    }
}
