"""What mail servers write when they refuse mail, as data: words, what they say, and where that is explained.

A row's words are looked for in lower case, from the beginning of a word on; a star stands for up to 60 characters. The
first row that is found decides. So what is told of us stands before what is told of the reader: a wrong "policy" costs
a reader nothing, a wrong "dead" costs them every edition. No row has a word that is only an address or a host's name.
"""

from __future__ import annotations

from typing import NamedTuple

from digest.models import Verdict


class Phrase(NamedTuple):
    words: str
    verdict: Verdict
    source: str


_QQ = "Tencent QQ and Exmail: service.mail.qq.com, help 20022; open.work.weixin.qq.com/help2"
_NETEASE = "NetEase 163, 126, yeah: mail.163.com/help/help_spam_16.htm"
_ALIYUN = "Aliyun: help.aliyun.com/document_detail/36612.html"
_COREMAIL = "Coremail (Sina, 21cn, 139 and others): www.icoremail.vip/support"
_SINA = "Sina: help.sina.com.cn, returned mail"
_GMAIL = "Google: support.google.com/a/answer/3726730"
_EXCHANGE = "Microsoft 365: learn.microsoft.com, non-delivery reports in Exchange Online"
_OUTLOOK = "Outlook.com: sendersupport.olc.protection.outlook.com/pm/troubleshooting.aspx"
_YAHOO = "Yahoo: senders.yahooinc.com/smtp-error-codes"
_APPLE = "Apple: support.apple.com/102322, postmaster information"
_YANDEX = "Yandex: yandex.com/support/mail, error messages"
_MAILRU = "Mail.ru: postmaster.mail.ru, help.mail.ru/mail-help/postmaster"
_GMX = "GMX, WEB.DE, 1&1: postmaster.gmx.net/en/error-messages"
_PROOFPOINT = "Proofpoint: ipcheck.proofpoint.com; Cloudmark: csi.cloudmark.com"
_MIMECAST = "Mimecast: mimecastsupport.zendesk.com, SMTP error codes"
_BARRACUDA = "Barracuda: www.barracudacentral.org/rbl"
_SPAMHAUS = "Spamhaus: www.spamhaus.org/faqs, return codes"
_LISTS = "block lists: RFC 5782 section 2.1 and their own pages"
_ORANGE = "Orange, Free, SFR: postmaster.orange.fr, error codes"
_COMCAST = "Comcast, Cox, AT&T: postmaster.comcast.net, error codes"
_POSTFIX = "Postfix: www.postfix.org/postconf.5.html"
_EXIM = "Exim: www.exim.org, specification chapters 43 and 48"
_SENDMAIL = "Sendmail: www.sendmail.org, operations guide"
_QMAIL = "qmail: cr.yp.to/proto/qsbmf.txt, cr.yp.to/qmail"
_COURIER = "Courier: www.courier-mta.org"
_DOVECOT = "Dovecot: doc.dovecot.org, lmtp and quota"
_SES = "Amazon SES and WorkMail: docs.aws.amazon.com, bounce types"
_RFC = "RFC 5321 section 4.2.3, RFC 3463"
_AUTH = "RFC 7208 section 8.4, RFC 7372, RFC 9989"
GREYLISTING = "RFC 6647: greylisting"
_USUAL = "in use at many servers: smtp.codes lists them by provider"


def _rows(verdict: Verdict, source: str, words: str) -> tuple[Phrase, ...]:
    """Rows of one source; a bar or a line's end stands between two of them."""
    return tuple(
        Phrase(each.strip(), verdict, source) for line in words.splitlines() for each in line.split("|") if each.strip()
    )


_SHARP = (
    *_rows(
        Verdict.FULL,
        _EXCHANGE,
        """
        mailbox full | mailbox is full | mailbox size limit | storagequota | quotaexceeded
        """,
    ),
    *_rows(
        Verdict.FULL,
        _POSTFIX,
        """
        mailbox too large | mailbox size exceed
        """,
    ),
    *_rows(
        Verdict.FULL,
        _DOVECOT,
        """
        not enough disk space for user | user has too many messages
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _EXIM,
        """
        no such file or directory
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _GMAIL,
        """
        likely unsolicited mail
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _MIMECAST,
        """
        rejected due to security policies | message bounced by administrator
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _QQ,
        """
        mail is rejected by recipients
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _YANDEX,
        """
        mailbox disabled
        """,
    ),
)
"""What has a word in it that says something else alone."""

_RATES = (
    *_rows(
        Verdict.RATE,
        _QQ,
        """
        frequency limited | mailbox unavailable or access denied | connection limited
        too many connections from | suspected spam ip | 频率超过 | 频率过高 | 發信頻率
        """,
    ),
    *_rows(
        Verdict.RATE,
        _NETEASE,
        """
        hl:icc | hl:ifc | hl:itc | mi:sfq | mi:dmc | rp:drc | rp:qrc | rp:trc | mi:nhd | rp:trn | hl:rep
        """,
    ),
    *_rows(
        Verdict.RATE,
        _ALIYUN,
        """
        number of rcpt attempts is achieved | total of rcpts is achieved
        transient reject by behaviour spam | sending quota exceeded | not enough sending quota
        number of rcpts is over
        """,
    ),
    *_rows(
        Verdict.RATE,
        _COREMAIL,
        """
        ip is hangup | user hangup | too many recipients in | too much mail from
        """,
    ),
    *_rows(
        Verdict.RATE,
        _SINA,
        """
        too many mails from your ip | connection number exceeds
        """,
    ),
    *_rows(
        Verdict.RATE,
        _GMAIL,
        """
        receiving mail at a rate | receiving mail too quickly | unusual rate of | sending limit exceeded
        relay limit exceeded | relay sending limit | has been rate limited | exceeded the rate limit
        too many emails per second | limit exceeded for customer
        """,
    ),
    *_rows(
        Verdict.RATE,
        _EXCHANGE,
        """
        submission quota exceeded | message receive limit | has exceeded permitted limits | daily limit for
        recipient thread limit exceeded | tenant has exceeded threshold | server busy
        exceeded their limit for
        """,
    ),
    *_rows(
        Verdict.RATE,
        _OUTLOOK,
        """
        temporarily rate limited | exceeded the limit on the number of | reached a limit for
        rate limited due
        """,
    ),
    *_rows(
        Verdict.RATE,
        _YAHOO,
        """
        temporarily deferred due to | unexpected volume or user complaints | max message per connection
        excessive unknown recipients | resources temporarily unavailable | messages per session
        """,
    ),
    *_rows(
        Verdict.RATE,
        _APPLE,
        """
        due to excessive volume | too many messages from
        """,
    ),
    *_rows(
        Verdict.RATE,
        _YANDEX,
        """
        too many messages from this ip | too many concurrent smtp | sender rate limit
        """,
    ),
    *_rows(
        Verdict.RATE,
        _MAILRU,
        """
        ratelimit exceeded | try again later*too many | too many recipients*hour
        """,
    ),
    *_rows(
        Verdict.RATE,
        _GMX,
        """
        exceeded the maximum number of | too many connections | reached the maximum number
        """,
    ),
    *_rows(
        Verdict.RATE,
        _MIMECAST,
        """
        unable to process connection at this time | local ct ip reputation*defer
        """,
    ),
    *_rows(
        Verdict.RATE,
        _ORANGE,
        """
        too many connexions | trop de connexions | slow down | too many sessions
        """,
    ),
    *_rows(
        Verdict.RATE,
        _COMCAST,
        """
        concurrent connections | exceeded the connection limit | message rate*exceeded
        """,
    ),
    *_rows(
        Verdict.RATE,
        GREYLISTING,
        """
        greylist | graylist | grey-list | gray-list | greylisting | try again in * seconds
        delayed for * seconds
        """,
    ),
    *_rows(
        Verdict.RATE,
        _USUAL,
        """
        rate limit | ratelimit | rate-limit | throttl | too many messages | too many recipients | too fast
        connection rate | too many concurrent | message rate | relay quota | daily quota | sending rate
        mails per hour | too many errors from | too many invalid recipients | too many mails | too much mail
        per-hour limit | hourly limit | daily limit | sending limit | limit on the number of
        messages per hour | emails per hour | messages in the past | discarded by rate
        exceeded * max emails | max emails per hour | too busy
        """,
    ),
)

_POLICIES = (
    *_rows(
        Verdict.POLICY,
        _QQ,
        """
        domain may not exist or dns check failed | spf check failed | dkim check failed | sender is rejected
        ip in blacklist | ip in rbl | domain in blacklist | sender ip * blocked | connection denied
        ip denied | mail from domain is | invalid sender | blocked ip
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _NETEASE,
        """
        hl:iba | hl:idb | hl:ibl | hl:mep | mi:spf | mi:stc | mi:spb | dt:rbl | wm:bli | wm:blu | mi:mdr
        rp:rdn | mi:dkim | mi:dmarc | dt:sum | mi:cel | mi:ccl | rp:cel | rp:ccl | rp:fsl
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _ALIYUN,
        """
        reject by behaviour spam | behavior spam | rejected by rbl | ip black list
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _COREMAIL,
        """
        ip is rejected | invalid ip | fake sender | no smtp mx only | null sender is not allowed
        user in blacklist | ip in black
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _SINA,
        """
        ip is in blacklist | mail rejected by antispam policy | sina dnsbl
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _GMAIL,
        """
        very low reputation | fails to pass authentication | to authenticate with
        does not have a ptr record | ipv6 sending guidelines | dmarc policy | the spf record of | hard fail
        not in whitelist for rcpt | senders to authenticate | senders to use tls | a ptr record
        unauthenticated email | mail sending denied
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _EXCHANGE,
        """
        banned sending ip | banned sender | bad outbound sender | customer block list | blocked organization
        not in allowed-senders list | sender not authenticated | sender was not authenticated
        restrictdomainsto | traffic not accepted from this ip | unregistered domains
        does not accept email over ipv6 | bad helo | does not pass dmarc | must have a reverse dns
        spam abuse detected | sender denied | restricted | not permitted to send | delivery not authorized
        must be authenticated | authentication level | as a permitted sender | rejected by recipient
        accepts mail only from | banned recipient
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _OUTLOOK,
        """
        is on our block list | our block list | access denied*mail.live.com
        mail.live.com/mail/troubleshooting | namespace mining | dynamic or residential | (oj-* | (oo-*
        (du-* | (sc-* | (rp-* | (ed-*
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _YAHOO,
        """
        not accepted for policy reasons | blocked due to user complaints
        access to this mail system has been | listed by spamhaus | mail from * not allowed
        connections will not be accepted from | authentication checks
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _APPLE,
        """
        due to local policy | listing in spamhaus | rejected due to *spamhaus | [cs01] | [pr01]
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _YANDEX,
        """
        blocked by yandex | ip address is blacklisted | policy rejection | mail from this ip
        sender domain not found
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _MAILRU,
        """
        we do not accept mail from hosts | we don't accept mail from hosts
        we do not accept mail from dynamic | access from ip address | access to this server from your
        dmarc owner | this message was not accepted due to | client's reverse dns | dynamic ip pools
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _GMX,
        """
        bad dns ptr | invalid dns mx | sender policy framework | nemesis | reject due to policy
        policy restrictions | sender is unauthorized | ip address is black | presender
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _PROOFPOINT,
        """
        proofpoint.com/dnsbl | ipcheck.proofpoint | cloudmark | blocked - see * | [pdr | reputation block
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _MIMECAST,
        """
        envelope blocked | envelope rejected | sender address blocked | local ct ip reputation
        host network | header-based | anti-spoofing policy | administrative prohibition
        ip temporarily blacklisted | spf sender invalid | dkim sender invalid | dmarc sender invalid
        invalid sending | poor reputation | sender failed to verify | manual envelope | blocked senders
        sender invalid
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _BARRACUDA,
        """
        barracudanetworks.com/reputation | barracudacentral | barracuda reputation
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _SPAMHAUS,
        """
        spamhaus | zen. | sbl. | xbl. | pbl. | dbl.
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _LISTS,
        """
        spamcop | sorbs | uceprotect | psbl | njabl | senderbase | senderscore | abuseat | invaluement
        mailspike | spamrats | surriel | dnsbl | rhsbl | rbl | block list | blocklist | black list
        blacklist | block-list | black-list | blackhole | denylist | deny list | blocklisted | blocked using
        dns-based list | is listed in | is listed at | is listed on | listed in a | blackmail
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _ORANGE,
        """
        service refuse | service refused | ofr_5 | ofr004 | mail from*refused | ofr_999
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _COMCAST,
        """
        without reverse dns | invalid ptr record | not allowed to connect
        email from * is currently blocked | currently blocked | connections not accepted from
        blocked from sending | inbound connection*block | rejected - too many complaints | cxbl | ble00
        ipbl
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _AUTH,
        """
        spf fail | spf-fail | spf: fail | failed spf | spf check | spf validation | spf record
        spf softfail | dkim fail | dkim signature | dkim verif | dkim check | dmarc | domain authentication
        sender id | pass spf | spf or dkim | spf and dkim | spf: | openspf | not authorized to send
        not allowed to send mail | is not allowed to send | authentication required for | spoof
        sender authentication | pass * authentication | domainkeys | permitted sender
        is not permitted to send | spf | unsigned
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _POSTFIX,
        """
        client host rejected | helo command rejected | sender address rejected | access denied*postgrey
        cannot find your hostname | cannot find your reverse hostname | unverified address
        client host * blocked | need fully-qualified hostname | unverified client host
        host not found*client | improper command pipelining
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _EXIM,
        """
        sender verify failed | sender verification | callout verification failed
        sender verification failed | rejected because * is in a black list | reverse dns lookup failed
        helo/ehlo | invalid helo | rdns | sender domain | your ip | your host | your server | verify sender
        this server does not accept mail from | verification failed for <*sender | forged
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _SENDMAIL,
        """
        domain of sender address | sender domain must | real domain name required | fix reverse dns
        possibly forged | rejected for bad reverse | domain must resolve | mail from * rejected
        your access to this mail system | access denied to | address resolution of
        we do not accept mail from | we dont accept mail from
        """,
    ),
    *_rows(
        Verdict.POLICY,
        _USUAL,
        """
        reverse dns | ptr record | no ptr | ptr lookup | reverse lookup | invalid rdns | bad reputation
        low reputation | reputation | sender rejected | sender not | sender blocked | blocked sender
        bad sender | unknown sender | sender is not | sender address | you are not allowed
        you are not authorized | you are not permitted | you are blocked | has been blocked | is blocked
        been banned | is banned | your email has been | not on our allow | whitelist | allowlist
        allow list | dynamic ip | residential | dial-up | dialup | access not allowed | email blocked
        mail blocked | connection refused by policy | rejected by local policy | local policy
        security polic | site policy | for policy reasons | policy violation | due to policy
        policy reasons | recipient policy | administratively | administrative policy | by administrator
        denied by policy | policy prohibits | policy that prohibit | unsolicited
        transaction failed due to policy | not accepting mail from | refuses mail from
        does not accept mail from | ip blocked | blocked by | temporarily blocked | connection blocked
        client blocked | network is blocked | from your network | only accepts mail from
        only accept mail from | mail from your | message from your | subscribers only | members only
        not a member | only members | users are permitted | authenticated sender | challenge
        email from your | envelope sender | domain * does not exist*sender | not rfc 2505 | missing reverse
        mismatches client ip | (bl- | (bl) | may not have permission | does not exist e2110
        authentication information | bad bounce | blocked for abuse
        """,
    ),
)

_CONTENTS = (
    *_rows(
        Verdict.CONTENT,
        _QQ,
        """
        mail content denied | content rejected | message content rejected | spam message
        suspected spam | 内容被拒 | 垃圾邮件
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _NETEASE,
        """
        dt:spm | dt:xbl | mi:sph | dt:vir | mail data refused
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _ALIYUN,
        """
        spam engine | reject by content spam | virus infected mail | length of data content
        length of attach | number of attachments | content spam
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _COREMAIL,
        """
        mail %s is rejected | spam denied | content reject | mail is rejected | mail rejected
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _SINA,
        """
        message looks like spam | mail contains spam | spam mail
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _GMAIL,
        """
        likely suspicious | presents a potential security | illegal attachment
        message size limit | header size limit | not rfc 5322 compliant | rfc 5322 | missing a valid
        multiple addresses in from | encoded-word syntax | nature of the content | message-id: header
        duplicate headers | google's * limit
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _EXCHANGE,
        """
        content filter | message too large | message size exceeds | recipsizelimit | message too big
        invalid characters | invalid message content | x-dg-ref | quarantined | header size exceeds
        messagetoolarge | sizelimit
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _YAHOO,
        """
        message content not accepted | content not acceptable | message not allowed
        transaction failed*content
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _APPLE,
        """
        [hm08] | message rejected due to content
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _YANDEX,
        """
        suspicion of spam | message rejected under suspicion | message infected
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _MAILRU,
        """
        spam message rejected | spam message discarded | message contains spam | message rejected*spam
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _GMX,
        """
        message classified as | message refused because of its content
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _MIMECAST,
        """
        content examination | maximum email size
        virus signature
        impersonation | message hold
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _BARRACUDA,
        """
        cuda_ | message blocked | permanently rejected message
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _POSTFIX,
        """
        message size * exceeds | header_checks | body_checks | error: content
        """,
    ),
    *_rows(
        Verdict.CONTENT,
        _USUAL,
        """
        spam | junk mail | junk e-mail | virus | malware | phish | infected | trojan | suspicious
        offensive | bulk mail | bulk e-mail | mass mail | spamassassin | dspam | bogofilter | rspamd
        spam score | hits= | message content | content polic | prohibited content | banned content
        banned file | banned name | prohibited attachment | attachment | blocked file | file type
        executable | bad header | invalid header | header error | malformed mail | malformed message
        is malformed | malformed header | malformed mime | duplicate header | message header | bare lf
        bare line | line too long | lines too long | 8bit | message-id header | valid message-id
        date header | missing from header | bad word | blocked url | surbl | uribl
        url in | links in | too large | too big | message size | message length | exceeds size | size limit
        maximum size | max message size | size exceed | exceeds the maximum | exceeded maximum message
        exceeded allocated message | larger than the current | too long message | exceeds maximum
        messages of this size | message refused | rejected by filter | rejected by a filter
        rejected by our filter | by the content | dlp | message rejected due to | filtered message
        unacceptable content | message denied | identical messages | contains unacceptable
        prohibited phrase | rejected by system filter | pattern match
        """,
    ),
)

_RELAYS = (
    *_rows(
        Verdict.RELAY,
        _QQ,
        """
        authentication fail | login fail | please use the * client
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _COREMAIL,
        """
        local user only | dns query error | authentication is required
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _ALIYUN,
        """
        authentication failure | username or passwd | non-local account | account is a local account
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _GMAIL,
        """
        relay denied | invalid credentials for relay | exceeded 50 hops | authentication required
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _EXCHANGE,
        """
        unable to relay | client was not authenticated | tenantattribution | hop count | routing loop
        loop detected | incorrectly configured | starttls is required | not accepting network messages
        agent generated message | no mail-enabled subscriptions | missing or bad storedriver
        expansion problem | misconfigured forwarding | delivery failed*forward | journaling | certificate
        mail-enabled
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _APPLE,
        """
        relay access denied
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _MIMECAST,
        """
        open relay | inbounds disabled | requires encryption | requires tls | mail loop
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _POSTFIX,
        """
        host not found, try again | malformed or unexpected name server | loops back to myself
        too many hops | mail forwarding loop | command died | command not found | unsupported mail
        mail system configuration error | user unknown in relay*loop | transport is unavailable
        unable to look up | smtputf8 | temporary lookup failure | server configuration | mail for * loops
        command output: | command time limit | couldn't create | procmail: | can't create user output
        bad address pattern | alias expansion | permission denied | error writing message
        input/output error | no space left | cannot update mailbox | insufficient system storage
        internal error | content-transfer-encoding
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _EXIM,
        """
        retry time not reached | too many received | lost input connection | error in * filter
        local delivery failed | child process | pipe * returned | return code | transport failed
        unrouteable mail | mailing to remote domains not | all relevant mx records point to non-existent
        lowest numbered mx record points to local | system filter
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _SENDMAIL,
        """
        local configuration error | config error | mail loops back | i/o error | unknown mailer error
        service unavailable*mailer | can't create output | relaying denied | cannot resolve*mx | mx list for
        operating system error | input output | relaying temporarily | unable to forward
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _QMAIL,
        """
        cname lookup failed | mail server permanently rejected | although i'm listed as a best-preference
        qmail- | this message is looping | rcpthosts | allowed hosts | delivered-to line
        perhaps * misconfigured | maildrop: | isn't in my control/locals | unable to switch to
        unable to run
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _USUAL,
        """
        relay not permitted | relaying not | relaying prohibited | relay prohibited | relaying mail to
        not relay | no relaying | relay access | relaying is | relay is not | relay operation | not a relay
        not an open relay | not permitted to relay | cannot relay | can't relay | non-local user | not local
        loop | hops | authenticat | starttls | tls required | encryption required | unauthenticated
        is not verified | not logged in | configured to relay | log in | log on | pop before | pop3 before
        smtp auth | require tls | tls negotiation | bad sequence | unrecognized command | unknown command
        command unrecognized | command not implemented | syntax error in parameters | protocol error
        server error | internal server | system error | system failure | system problem | misconfigur
        configuration problem | configuration error | unable to write | cannot open | disk full
        out of disk | no disk | insufficient disk | not enough disk | storage error | ldap | database
        service not available | service is not available | service temporarily | service currently
        cannot process | temporary failure | temporary error | temporarily unavailable | local error
        lookup failure | not accepting connections | not accepting messages | not accepting any mail
        does not accept any mail | not accept connections | host is unavailable | undeliverable due to
        mail delivery system unable | connection closed | dns fail
        """,
    ),
)

_FULLS = (
    *_rows(
        Verdict.FULL,
        _QQ,
        """
        mailbox space | space is not enough | 收件人空间不足 | 邮箱空间不足 | 邮箱已满 | 信箱已满 | 容量不足
        """,
    ),
    *_rows(
        Verdict.FULL,
        _NETEASE,
        """
        mb:full | user is over the quota
        """,
    ),
    *_rows(
        Verdict.FULL,
        _ALIYUN,
        """
        quota exceed the hard limit | mail box space not enough
        """,
    ),
    *_rows(
        Verdict.FULL,
        _COREMAIL,
        """
        user quota exceeded | quota exceeded | mailbox quota | mailbox over quota
        """,
    ),
    *_rows(
        Verdict.FULL,
        _SINA,
        """
        user full
        """,
    ),
    *_rows(
        Verdict.FULL,
        _GMAIL,
        """
        over quota | out of storage | overquotatemp | overquotaperm | email quota exceeded
        """,
    ),
    *_rows(
        Verdict.FULL,
        _YAHOO,
        """
        mailbox * over quota | mailbox of * is full
        """,
    ),
    *_rows(
        Verdict.FULL,
        _APPLE,
        """
        user is over quota
        """,
    ),
    *_rows(
        Verdict.FULL,
        _YANDEX,
        """
        storage limit
        """,
    ),
    *_rows(
        Verdict.FULL,
        _MAILRU,
        """
        user's disk quota
        """,
    ),
    *_rows(
        Verdict.FULL,
        _GMX,
        """
        exceeds quota | mailbox storage exceed
        """,
    ),
    *_rows(
        Verdict.FULL,
        _DOVECOT,
        """
        quota exceeded (mailbox | quota exceeded (disk
        """,
    ),
    *_rows(
        Verdict.FULL,
        _POSTFIX,
        """
        disk quota exceeded | maildir * over quota
        """,
    ),
    *_rows(
        Verdict.FULL,
        _EXIM,
        """
        exceeded for user
        """,
    ),
    *_rows(
        Verdict.FULL,
        _COURIER,
        """
        maildir over quota | user over quota
        """,
    ),
    *_rows(
        Verdict.FULL,
        _SES,
        """
        mailboxfull
        """,
    ),
    *_rows(
        Verdict.FULL,
        _USUAL,
        """
        quota | mailbox exceed | mailbox has exceeded | mailbox * full | inbox full | inbox is full
        account is full | account full | storage full | storage exceeded | storage allocation
        exceeded storage | insufficient space | not enough space | not enough storage | no space
        space left | out of space | too full | recipient's mailbox is full | user is full | disk space
        mail box full | mail box is full | storage space | exceeded the space | exceeds the storage
        exceeds allowed space | maximum storage | would exceed | overfull | mailfolder is full
        folder is full | boite pleine | buzon lleno | postfach voll
        """,
    ),
)

_DEADS = (
    *_rows(
        Verdict.DEAD,
        _QQ,
        """
        mailbox not found | user not exist | recipient is not exist | 该用户不存在
        该用户未开通 | 邮箱不存在 | 用户不存在 | 收件人不存在 | 地址不存在 | no such mailbox | bad address syntax
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _NETEASE,
        """
        user not found | user suspended | rc:ld | rc:ne | mb:nou
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _ALIYUN,
        """
        rcpt (account) dosn't exist | rcpt * exist | invalid rcptto | rcptto account isn't
        account * dosn't exist | isn't allowed to receive | mailbox not exist
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _COREMAIL,
        """
        invalid user | unavailable mail user | user not known | user disabled | user rejected
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _SINA,
        """
        mail user does not exist | sorry, no such
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _GMAIL,
        """
        account that you tried to reach | that you tried to contact | nosuchuser
        user that you are trying to contact | weren't able to find the recipient | domain name not found
        address couldn't be found | address not found
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _EXCHANGE,
        """
        recipient not found | recipnotfound | recipientnotfound | bad destination mailbox
        recipient address rejected: access denied | exrecipnotfound | unknown recipient
        dns domain * does not exist | nonexistentdomain | recipient * not found by smtp
        address reserved by rfc 2606 | single label domains | mailbox cannot be accessed
        e-mail account does not exist | e-mail address could not be found | address * could not be found
        was not found at | email address wasn't found | mailbox unavailable*s2017062302
        requested action not taken: mailbox unavailable (- | #5.1.0 address rejected
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _YAHOO,
        """
        user doesn't have a | user does not have a | doesn't have an account | disabled or discontinued
        mailbox not available | not a valid mailbox | user account * not found | has been disabled or
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _APPLE,
        """
        inactive email address | unknown or illegal alias | user does not exist | no longer on server
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _YANDEX,
        """
        no such user!
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _MAILRU,
        """
        non-local recipient verification failed | account is disabled | invalid mailbox
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _GMX,
        """
        mailbox unavailable*gmx | invalid recipient | recipient unknown
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _BARRACUDA,
        """
        recipient * user unknown
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _POSTFIX,
        """
        undeliverable address | unknown in virtual | unknown in local | unknown in relay
        domain not found | host or domain name not found | does not accept mail (nullmx) | nullmx | null mx
        malformed address | host not found | recipient address rejected: domain not found
        mail for * unknown
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _EXIM,
        """
        unrouteable address | unroutable address | unknown local part | unknown local-part
        5.4.4 invalid domain | no such domain | no such address | mail domain * does not exist
        no such person
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _SENDMAIL,
        """
        addressee unknown | host unknown | hostname unknown | name server: host not found | unknown host
        address unknown | unknown address | bad mailbox | no such account
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _QMAIL,
        """
        no mailbox here by that name | couldn't find any host named | couldn't find any host by that name
        doesn't exist here | this address no longer accepts mail | user is unknown | addresses is not valid
        i couldn't find any host | vpopmail*no user
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _DOVECOT,
        """
        user doesn't exist
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _SES,
        """
        address does not exist | suppression list*bounced | no such recipient
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _COMCAST,
        """
        recipient does not exist | not our customer
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _ORANGE,
        """
        adresse d au moins un destinataire invalide | destinataire invalide | ofr_416 | adresse inconnue
        """,
    ),
    *_rows(
        Verdict.DEAD,
        _USUAL,
        """
        no valid recipients | illegal host/domain | user unknown | unknown user | no such user | mailbox does not exist
        unknown account | unknown mailbox | unknown email | unknown e-mail | unknown to this
        unknown destination | unknown in | is unknown | no such | no user | no account | no mailbox
        no recipient | does not exist | doesn't exist | don't exist | not exist | dosn't exist
        doesnt exist | no longer exist | no longer valid | no longer available | no longer in use
        no longer employed | no longer works | no longer with | no longer active | no longer used
        no longer accept | has moved | user moved | have moved | has left | address has changed
        changed address | has changed | invalid address | invalid account | recipient invalid
        address invalid | user invalid | bad recipient | bad address | bad user | bad destination
        not a known user | not a valid user | not a valid recipient | not a valid address
        not a valid email | not a local | not a user | isn't a valid | is not a valid | is not valid
        is not a known | is not known | not known at | not known here | not our user | not user of
        not listed in | not found | couldn't be found | could not be found | cannot be found | can't find
        cannot find | unable to find | undefined recipient | mailbox unknown | account unknown
        name unknown | unknown or | recipient rejected: unknown | account closed | account has been closed
        account deleted | account has been deleted | mailbox closed | account is closed | account terminated
        account cancelled | account canceled | mailbox deleted | account disabled
        account has been disabled | mailbox is disabled | user is disabled | is now disabled
        account inactive | account is inactive | mailbox inactive | inactive user | mailbox is inactive
        user is inactive | account expired | account has expired | account is not active | deactivated
        discontinued | has been removed | user deleted | email address is not valid | nobody by that name
        no one by that name | unrouteable | unroutable | domain is not | domain * unknown | domain does not
        non-existent | nonexistent | nxdomain | dns name | no route to address | usuario desconocido
        utilisateur inconnu | unbekannter | adresse existiert nicht | empfänger unbekannt
        """,
    ),
)

_EXPIREDS = (
    *_rows(
        Verdict.EXPIRED,
        _POSTFIX,
        """
        delivery temporarily suspended | connection timed out | connection refused | timed out
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _EXIM,
        """
        retry timeout exceeded | all hosts * have been failing | all hosts for | retry time
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _SENDMAIL,
        """
        message could not be delivered for | deferred: | cannot send message within
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _QMAIL,
        """
        couldn't establish an smtp connection | been in the queue too long | connected * but
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _EXCHANGE,
        """
        message expired | queue expired | message delayed | connection dropped
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _GMAIL,
        """
        delivery incomplete | connection expired | problem delivering | took too long
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _USUAL,
        """
        time out | timeout | timed-out | too old | expired | lost connection | connection reset
        network is unreachable | no route to host | host is unreachable | host unreachable
        network unreachable | no answer from | not responding | does not respond | did not respond
        could not connect | cannot connect | can't connect | unable to connect | connection was dropped
        broken pipe | no response | unable to deliver this message after | not been collected
        unable to contact | could not be contacted | connect to
        """,
    ),
)

_LAST = (
    *_rows(
        Verdict.POLICY,
        _USUAL,
        """
        access denied | access is denied | blocked | prohibited | not authorized
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _GMAIL,
        """
        did not accept our requests to connect
        """,
    ),
    *_rows(
        Verdict.EXPIRED,
        _YAHOO,
        """
        after multiple retries | giving up
        """,
    ),
    *_rows(
        Verdict.RELAY,
        _RFC,
        """
        transaction failed | no smtp service | mailer error | recipient error
        """,
    ),
)
"""What is so common that everything else counts more."""

CERTAIN = (
    *("user unknown", "unknown user", "no such user", "user not found", "user does not exist", "mailbox not found"),
    *("mailbox does not exist", "no mailbox here by that name", "recipient not found", "unknown recipient"),
    *("invalid recipient", "recipient unknown", "unknown in local", "unknown in virtual"),
)
"""Words that leave no doubt when the code says the same, whatever else is there: a server's name may say "spam"."""

PHRASES: tuple[Phrase, ...] = (*_SHARP, *_RATES, *_POLICIES, *_CONTENTS, *_RELAYS, *_FULLS, *_DEADS, *_EXPIREDS, *_LAST)
"""All rows, in the order in which they are looked for."""
