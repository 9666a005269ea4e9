"""A softphone on PJSIP: orders come as JSON lines on standard input, what happens goes out as JSON lines.

Started with one argument, a JSON object:
  sip_port, rtp_port    where it listens on 127.0.0.1
  user, password        its number and digest secret; without a password it does not register
  server                host:port of the registrar, which is also where it calls
  tone                  the frequency in Hz that it sends whenever its audio is connected
  tcp                   whether it talks to the server over TCP
  timer                 the session interval in seconds that it insists on (RFC 4028)
  reliable              whether it demands reliable provisional responses (RFC 3262)
  answer                what it does with a call: "auto" (180, then 200), "ring" (180), or a status code

The process has no sound hardware: a null device gives the clock, a tone generator the microphone, a file the speaker.
"""

import json
import os
import select
import sys

import pjsua2 as pj

config = json.loads(sys.argv[1])
SDP_DIRECTIONS = {0: "none", 1: "sendonly", 2: "recvonly", 3: "sendrecv"}


def tell(event, **more):
    sys.stdout.write(json.dumps({"event": event, **more}) + "\n")
    sys.stdout.flush()


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, prm):
        tell("registration", code=prm.code, reason=prm.reason, active=self.getInfo().regIsActive)

    def onIncomingCall(self, prm):
        call = Call(self.phone, self, prm.callId)
        self.phone.calls[prm.callId] = call
        tell("incoming", call=prm.callId, message=prm.rdata.wholeMsg)
        policy = self.phone.answer
        if policy in ("auto", "ring"):
            call.reply(180)
            if policy == "auto":
                call.reply(200)
        else:
            call.reply(int(policy))


class Call(pj.Call):
    def __init__(self, phone, account, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.phone = phone
        self.audio = None

    def reply(self, code):
        prm = pj.CallOpParam()
        prm.statusCode = code
        self.answer(prm)

    def onCallState(self, _prm):
        info = self.getInfo()
        tell("state", call=info.id, state=info.stateText, code=info.lastStatusCode, reason=info.lastReason)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.audio = None
            self.phone.over.append(info.id)

    def onCallMediaState(self, _prm):
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            connected = media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
            self.audio = self.getAudioMedia(index) if connected else None
            if self.audio:
                self.phone.connect(self.audio)
            tell("media", call=info.id, status=media.status, direction=SDP_DIRECTIONS.get(media.dir, str(media.dir)))

    def onDtmfDigit(self, prm):
        tell("dtmf", call=self.getInfo().id, digit=prm.digit)

    def onCallTsxState(self, prm):
        body = prm.e.body.tsxState
        if body.type == pj.PJSIP_EVENT_RX_MSG:
            tell("received", call=self.getInfo().id, message=body.src.rdata.wholeMsg)


class Phone:
    def __init__(self):
        self.calls = {}
        self.over = []
        self.answer = str(config.get("answer", "ring"))
        self.recorder = None
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(self.endpoint_config())
        transport = pj.TransportConfig()
        transport.port = config["sip_port"]
        transport.boundAddress = "127.0.0.1"
        transport.publicAddress = "127.0.0.1"
        kind = pj.PJSIP_TRANSPORT_TCP if config.get("tcp") else pj.PJSIP_TRANSPORT_UDP
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, {"PCMU/8000/1": 250, "PCMA/8000/1": 240}.get(codec.codecId, 0))
        self.tone = pj.ToneGenerator()
        self.tone.createToneGenerator(8000, 1)
        self.play(config["tone"])
        self.account = Account(self)
        self.account.create(self.account_config())

    @staticmethod
    def endpoint_config():
        settings = pj.EpConfig()
        settings.uaConfig.threadCnt = 0
        settings.uaConfig.mainThreadOnly = True
        settings.uaConfig.maxCalls = 8
        settings.logConfig.level = int(os.environ.get("PHONE_LOG_LEVEL", "0"))
        settings.logConfig.consoleLevel = settings.logConfig.level
        settings.logConfig.msgLogging = 0
        settings.medConfig.clockRate = 8000
        settings.medConfig.sndClockRate = 8000
        settings.medConfig.noVad = True
        settings.medConfig.ecTailLen = 0
        return settings

    @staticmethod
    def account_config():
        settings = pj.AccountConfig()
        server = config["server"]
        if config.get("password"):
            settings.idUri = f"sip:{config['user']}@{server}"
            settings.regConfig.registrarUri = f"sip:{server}" + (";transport=tcp" if config.get("tcp") else "")
            settings.regConfig.timeoutSec = 300
            settings.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", config["user"], 0, config["password"]))
        else:
            settings.idUri = f"sip:{config['user']}@127.0.0.1:{config['sip_port']}"
        if config.get("timer"):
            settings.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
            settings.callConfig.timerSessExpiresSec = config["timer"]
            settings.callConfig.timerMinSESec = config["timer"]
        if config.get("reliable"):
            settings.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
        settings.natConfig.contactRewriteUse = 0
        settings.natConfig.sdpNatRewriteUse = 0
        settings.natConfig.udpKaIntervalSec = 0
        settings.mediaConfig.transportConfig.port = config["rtp_port"]
        settings.mediaConfig.transportConfig.portRange = 20
        settings.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        settings.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
        return settings

    def play(self, frequency):
        desc = pj.ToneDesc()
        desc.freq1 = frequency
        desc.freq2 = 0
        desc.on_msec = 32000
        desc.off_msec = 0
        tones = pj.ToneDescVector()
        tones.append(desc)
        self.tone.stop()
        self.tone.play(tones, True)

    def connect(self, audio):
        self.tone.startTransmit(audio)
        if self.recorder:
            audio.startTransmit(self.recorder)

    def current(self, order):
        if "call" in order:
            return self.calls[order["call"]]
        return self.calls[max(self.calls)]

    def obey(self, order):
        name = order["order"]
        prm = pj.CallOpParam(True)
        if name == "dial":
            call = Call(self, self.account)
            call.makeCall(order["to"], prm)
            self.calls[call.getInfo().id] = call
        elif name == "policy":
            self.answer = str(order["answer"])
        elif name == "reply":
            self.current(order).reply(order["code"])
        elif name == "hangup":
            self.current(order).hangup(pj.CallOpParam())
        elif name == "hold":
            self.current(order).setHold(prm)
        elif name == "retrieve":
            prm.opt.flag = pj.PJSUA_CALL_UNHOLD
            self.current(order).reinvite(prm)
        elif name == "dtmf":
            self.current(order).dialDtmf(order["digits"])
        elif name == "tone":
            self.play(order["frequency"])
        elif name == "record":
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(order["path"])
            for call in self.calls.values():
                if call.audio:
                    call.audio.startTransmit(self.recorder)
        elif name == "stop":
            for call in self.calls.values():
                if call.audio and self.recorder:
                    call.audio.stopTransmit(self.recorder)
            self.recorder = None
        elif name == "unregister":
            self.account.setRegistration(False)
        else:
            raise ValueError(f"no such order: {name}")
        tell("done", order=name)

    def run(self):
        tell("started")
        pending = b""
        while True:
            self.endpoint.libHandleEvents(10)
            while self.over:
                self.calls.pop(self.over.pop(), None)
            while select.select([0], [], [], 0)[0]:
                chunk = os.read(0, 65536)
                if not chunk:
                    return
                pending += chunk
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    try:
                        self.obey(json.loads(line))
                    except Exception as error:  # whatever it is, the test has to hear of it
                        tell("failed", order=line.decode(), why=str(getattr(error, "reason", error)))


phone = Phone()
phone.run()
# PJSIP's own tear-down waits for the network and trips over Python's; the process has nothing to lose.
os._exit(0)
