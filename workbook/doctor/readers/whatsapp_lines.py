"""What WhatsApp itself writes into an export, in place of a message or into one.

Knows it by its marks in every language (a left-to-right mark on iOS, a whole line in angle
brackets, the names that the app gives to files), and by words in those of `LANGUAGES`. What these
words are varies from version to version, so the patterns leave room. Knows no dates and no senders.
"""

import re
from dataclasses import dataclass

MARK = "\u200e"
"""The left-to-right mark: on iOS it stands before all that the app writes."""


@dataclass(frozen=True)
class Words:
    """The app's words in one language, as patterns.

    deleted: a line in place of a deleted message.
    edited: what stands in angle brackets behind an edited message.
    omitted: behind the word for a picture, a video, a document.
    attached: after the name of a file, in brackets.
    call: a call; `missed` is what shows that nobody took it.
    location: begins a place; `shared` ends one that moves.
    poll: begins a poll or a meeting, in capitals.
    notice: what any other line of the app holds.
    """

    deleted: str
    edited: str
    omitted: str
    attached: str
    call: str
    missed: str
    location: str
    shared: str
    poll: str
    notice: str


LANGUAGES = {
    "English": Words(
        r"(?:this|your) message was (?:deleted|removed).{0,40}|message deleted|"
        r"you deleted (?:this|a) message.{0,20}|waiting for this message.{0,60}",
        "edited",
        "omitted",
        "file attached",
        r"(?:group )?(?:voice|video|audio) (?:call|chat)",
        "missed|silenced|declined|unanswered",
        "location",
        "live location shared|live location ended",
        "poll|event",
        r"end-to-end encrypted|security code.* changed|view once message",
    ),
    "Spanish": Words(
        r"(?:se )?(?:elimin|borr)(?:ó|aste|ado) (?:este|el) mensaje|mensaje eliminado|"
        r"este mensaje fue eliminado.{0,40}|.{0,40}admin.{0,40}eliminó este mensaje|"
        r"esperando (?:el|este) mensaje.{0,60}",
        "edit(?:ó|ado)",
        "omitid[oa]s?",
        "archivo adjunto",
        r"(?:video)?llamada(?: grupal| de voz| de v[ií]deo)*",
        "perdida",
        "ubicaci[oó]n",
        r"ubicaci[oó]n en (?:tiempo real|vivo)(?: compartida)?",
        "encuesta|evento",
        r"de extremo a extremo|c[oó]digo de seguridad.* cambi",
    ),
    "Portuguese": Words(
        r"(?:esta )?mensagem (?:foi )?(?:apagada|eliminada).{0,40}|"
        r"(?:você )?(?:apagou|eliminou) (?:esta|a) mensagem|"
        r"aguardando (?:esta |a )?mensagem.{0,60}",
        "editada",
        r"ocultad?[oa]s?|omitid[oa]s?|não revelad[oa]s?",
        "(?:arquivo|ficheiro) anexado",
        r"(?:chamada|ligação)(?: em grupo| de grupo| de voz| de vídeo)*",
        "perdida|não atendida",
        "localização",
        r"localização (?:em tempo real|atual)(?: com?partilhada)?",
        "enquete|sondagem|evento",
        r"ponta a ponta|c[oó]digo de segurança.* mud",
    ),
    "German": Words(
        r"(?:diese )?nachricht (?:wurde )?(?:von .{1,40} )?gelöscht|"
        r"(?:du hast|sie haben) diese nachricht gelöscht|wart\w* auf diese nachricht.{0,60}",
        "bearbeitet",
        "ausgeschlossen|weggelassen",
        "datei angehängt",
        r"(?:gruppen-?)?(?:sprach|video)-?(?:gruppen)?anruf",
        r"verpasste\w*|stummgeschaltete\w*|abgelehnt",
        "standort",
        r"live-?standort(?: wird)?(?: geteilt)?",
        "umfrage|veranstaltung",
        r"ende-zu-ende-verschlüss|sicherheitsnummer.* geändert",
    ),
    "French": Words(
        r"(?:ce )?message (?:a été )?(?:supprimé|effacé).{0,40}|"
        r"(?:vous avez|tu as) (?:supprimé|effacé) ce message|"
        r"en attente d[eu] (?:ce )?message.{0,60}",
        "modifié",
        r"omise?s?|absente?s?|manquante?s?|retirée?s?|non incluse?s?",
        "fichier joint",
        r"appel(?: de groupe| audio| vocal| vidéo)+",
        "manqué",
        "localisation|position",
        r"(?:localisation|position) en direct(?: partagée)?",
        "sondage|évènement|événement",
        r"de bout en bout|code de sécurité.* changé",
    ),
    "Italian": Words(
        r"(?:questo )?messaggio (?:è stato )?(?:eliminato|cancellato).{0,40}|"
        r"hai (?:eliminato|cancellato) questo messaggio|in attesa del messaggio.{0,60}",
        "modificato",
        r"omess[oaie]|esclus[oaie]|non inclus[oaie]",
        "file allegato",
        r"(?:video)?chiamata(?: di gruppo| vocale| video)*",
        "persa|senza risposta",
        "posizione",
        r"posizione (?:attuale|in tempo reale)(?: condivisa)?",
        "sondaggio|evento",
        r"end-to-end|codice di sicurezza.* cambi",
    ),
    "Dutch": Words(
        r"(?:dit )?bericht (?:is |werd )?verwijderd.{0,40}|"
        r"(?:je|jij|u) hebt? dit bericht verwijderd|wachten op dit bericht.{0,60}",
        "bewerkt",
        "weggelaten|uitgesloten|niet opgenomen",
        "bestand bijgevoegd",
        r"(?:groeps)?(?:spraak|video|audio)-?\s?(?:groeps)?oproep",
        r"gemiste?|geweigerde?",
        "locatie",
        r"live ?locatie(?: wordt)?(?: gedeeld)?",
        "poll|peiling|evenement",
        r"end-to-end|beveiligingscode.* gewijzigd",
    ),
    "Turkish": Words(
        r"(?:bu )?mesaj (?:.{1,40} tarafından )?silindi|bu mesajı sildin(?:iz)?|"
        r"(?:bu )?mesaj bekleniyor.{0,60}",
        "düzenlendi",
        "dahil edilmedi|çıkarıldı|atlandı",
        "dosya ekli",
        r"(?:grup )?(?:sesli|görüntülü) (?:grup )?arama(?:sı)?",
        "cevapsız",
        "konum",
        r"(?:canlı|anlık) konum(?: paylaşıldı)?",
        "anket|etkinlik",
        r"uçtan uca|güvenlik kodu.* değişti",
    ),
    "Chinese": Words(
        r"(?:此|该|這則|这条|這條|该条)?(?:消息|訊息)(?:已|被|由.{1,20})*(?:删除|刪除|撤回|收回)|"
        r"[你您]已?(?:删除|刪除|撤回|收回)了?(?:此|这条|這則|這條|该|一条|一則)?(?:消息|訊息)|"
        r"(?:正在)?等待此?(?:消息|訊息).{0,60}",
        "编辑|編輯",
        "忽略|略去|略過|省略|未包含|排除",
        "附件|文件附件|檔案已?附加|附加檔案|附加文件",
        r"(?:群组|群組)?(?:语音|語音|视频|視訊|音频)(?:通话|通話|来电|來電)",
        "未接|已拒",
        "位置|地点|地點",
        r"(?:实时|即時)(?:位置|地点)(?:共享|分享)?",
        "投票|活动|活動",
        "端到端加密|端對端加密|安全码|安全代碼",
    ),
    "Japanese": Words(
        r"(?:この)?メッセージ[はが].{0,14}?(?:削除|取り消)され(?:ました|ています)|"
        r"(?:あなたは)?(?:この)?メッセージを(?:削除|取り消)しました|このメッセージを待.{0,60}",
        "編集",
        "省略|含まれていません|除外|なし",
        "添付ファイル|ファイル添付",
        "(?:グループ)?(?:(?:音声|ビデオ)(?:通話|着信)?|通話|着信)の?",
        "不在着信|不在の?|応答なし",
        "位置情報",
        r"(?:ライブ)?位置情報を?の?共有(?:中|しました)?",
        "投票|アンケート|イベント",
        "エンドツーエンド|セキュリティコード",
    ),
    "Arabic": Words(
        r"(?:لقد )?(?:تم حذف|حذفت|قمت بحذف) (?:هذه )?الرسالة.{0,40}|هذه الرسالة محذوفة|"
        r"(?:في )?انتظار (?:هذه )?الرسالة.{0,60}",
        "تعديل|معدلة",
        r"استبعاد\w*|غير مدرجة?|غير مضمنة?|محذوفة?",
        "الملف مرفق|ملف مرفق|مرفق",
        r"مكالمة (?:جماعية )?(?:صوتية|فيديو|مرئية)",
        r"فائتة|لم يُ?رد عليها",
        "الموقع|موقع",
        r"(?:الموقع المباشر|موقع مباشر)(?: مُ?شارك\w*| تمت مشاركته)?",
        "استطلاع(?: رأي)?|فعالية",
        "مشفّ?رة تمام|بين الطرفين|من طرف إلى طرف|رمز الأمان",
    ),
    "Hindi": Words(
        r"(?:यह|ये|इस) (?:मैसेज|संदेश|मेसेज).{0,24}(?:हटा|मिटा|डिलीट).{0,20}|"
        r"आपने (?:यह|इस|ये) (?:मैसेज|संदेश|मेसेज).{0,6}(?:हटा|मिटा|डिलीट).{0,20}|"
        r"इस (?:मैसेज|संदेश) का इंतज़ार.{0,60}",
        "एडिट|संपादित|बदला",
        "शामिल नहीं.{0,6}|छोड़ा गया|छोड़ दिया गया|के बिना",
        "फ़ाइल (?:संलग्न|अटैच|जुड़ी)[^)]{0,20}|संलग्न फ़ाइल",
        r"(?:ग्रुप )?(?:वॉइस|वॉयस|वीडियो|आवाज़) कॉल",
        "मिस्ड|छूट[ीा]",
        "लोकेशन|स्थान",
        r"लाइव (?:लोकेशन|स्थान).{0,20}",
        "पोल|इवेंट",
        "एंड-टू-एंड|शुरू से अंत तक|सुरक्षा कोड",
    ),
    "Russian": Words(
        r"(?:данное |это )?сообщение (?:было )?удалено.{0,40}|вы удалили (?:данное|это) сообщение|"
        r"ожидание (?:этого |данного )?сообщения.{0,60}",
        "изменено",
        "без медиафайлов|опущен[оа]?|пропущен[оа]?|скрыт[оа]?",
        "файл добавлен",
        r"(?:групповой )?(?:аудио|видео|голосовой )(?:звонок|вызов)",
        r"пропущенный|отклон[её]н\w*",
        "местоположение|геолокация",
        r"трансляция геоданных.{0,20}",
        "опрос|мероприятие",
        r"сквозн\w+ шифрован|код безопасности",
    ),
    "Indonesian": Words(
        r"pesan ini (?:telah )?dihapus.{0,40}|anda (?:telah )?menghapus pesan ini|"
        r"menunggu pesan ini.{0,60}",
        "diedit",
        "tidak disertakan|dihilangkan",
        "file terlampir",
        r"panggilan (?:grup )?(?:suara|video)(?: grup)?",
        "tak terjawab|tidak terjawab",
        "lokasi",
        r"lokasi (?:terkini|langsung)(?: dibagikan)?",
        "polling|jajak pendapat|acara",
        "secara end-to-end|kode keamanan",
    ),
}
"""Languages whose app's words are known."""

_NOUNS = (
    r"image|photo|picture|video|audio|gif|sticker|document|contact card|(?:video|voice) \w+|media|"
    r"imagen|imagem|foto|vídeo|áudio|documento|tarjeta de contacto|cartão d[eo] contato|figurinha|"
    r"nota de v[ií]deo|bild|dokument|kontaktkarte|videonachricht|vidéo|fiche contact|note vidéo|"
    r"immagine|adesivo|scheda contatto|afbeelding|contactkaart|görüntü|ses|çıkartma|belge|"
    r"kişi kartı|图片|图像|圖片|影像|影片|视频|音频|音訊|动态图|贴图|貼圖|文档|文件|檔案|"
    r"联系人(?:名片)?|聯絡人|画像|動画|ビデオ|音声|ステッカー|スタンプ|文書|書類|ドキュメント|連絡先(?:カード)?|"
    r"الصورة|صورة|الفيديو|فيديو|الصوت|مقطع صوتي|الملصق|ملصق|المستند|مستند|छवि|चित्र|इमेज|फ़ोटो|"
    r"वीडियो|ऑडियो|स्टिकर|दस्तावेज़|डॉक्यूमेंट|изображение|видео|аудио|стикер|документ|gambar|stiker|"
    r"dokumen"
)
# How long a call took, or what became of it; the time of a missed one.
_LASTED = r"[\s.,:،、：]+(?:\d+\s?\S{1,12}\.?(?:\s\d+\s?\S{1,12}\.?)?|no answer|tap to call back)"
_WHEN = r"\s(?:at|um|à|a las|às|alle|om)\s\d.{0,12}"
_LINK = r"\s?[:：]\s?https?://\S+"
_FILE = re.compile(r"(?:IMG|VID|PTT|AUD|STK|DOC)-\d{8}-WA\d+\.\w{2,5}\s?[(（][^()]{2,40}[)）]")
_FILE_NAME = re.compile(r"[^\n/?]{1,120}\.\w{2,5}")
_IN_BRACKETS = re.compile(r"<[^<>]{6,120}>")
_LAST_BRACKETS = re.compile(rf"\s*{MARK}?<([^<>\n]{{2,60}})>\s*$")
_PLACE = re.compile(r"[^\n:：?]{2,40}[:：]\s?https?://maps\.google\.com/\S+")


@dataclass(frozen=True)
class _Patterns:
    media: re.Pattern[str]
    event: re.Pattern[str]
    poll: re.Pattern[str]
    notice: re.Pattern[str]
    edited: re.Pattern[str]


def _patterns(words: Words) -> _Patterns:
    return _Patterns(
        *(
            re.compile(pattern, re.IGNORECASE)
            for pattern in (
                rf"<[^<>]*(?:{words.omitted})[^<>]*>|"
                rf"(?:.{{1,80}}•.{{0,30}}\s)?(?:{_NOUNS})\s?\S{{0,3}}(?:{words.omitted})\S{{0,8}}|"
                rf"[^\n]{{1,120}}\.\w{{2,5}} ?[(（](?:{words.attached})[)）]",
                rf"(?:{words.deleted})\s?[.。।]?|"
                rf"(?:(?:{words.missed})\s?(?:{words.call})|(?:{words.call})\s?(?:{words.missed})|"
                rf"(?:{words.call})(?={_LASTED}))(?:{_LASTED}|{_WHEN})?|"
                rf"(?:{words.location}){_LINK}|(?:{words.shared})(?:{_LINK})?",
                rf"(?:{words.poll})\s?[:：]",
                words.notice,
                words.edited,
            )
        )
    )


_ALL = {name: _patterns(words) for name, words in LANGUAGES.items()}


@dataclass(frozen=True)
class Reading:
    """What remains of a message once the app's words are gone.

    text: what its sender wrote; "" for nothing.
    kind: "media" or "app" for what the app wrote, if it wrote anything in its place.
    language: in which its words were, where that shows.
    """

    text: str
    kind: str = ""
    language: str = ""


def read(text: str, raw: str) -> Reading:
    """What somebody wrote in a message, and what the app did.

    text: all of the message, without marks.
    raw: the same with its marks.
    """
    first, _, others = text.partition("\n")
    first = first.strip()
    marked = raw.lstrip().startswith(MARK)
    for name, patterns in _ALL.items():
        if patterns.media.fullmatch(first):
            return Reading(_caption(others, raw), "media", name)
        if patterns.event.fullmatch(first) or (marked and patterns.notice.search(first)):
            return Reading("", "app", name)
        if patterns.poll.fullmatch(first) and (marked or first == first.upper()):
            return Reading("", "app", name)
    if _FILE.fullmatch(first) or _IN_BRACKETS.fullmatch(first):
        return Reading(_caption(others, raw), "media")
    if marked or _PLACE.fullmatch(first) or text.strip() == "null":
        return Reading("", "app")
    # On iOS the pages of a document and its omission stand behind its name, each after a mark.
    if raw.count(MARK) > 1 and "•" in first:
        return Reading(_caption(others, raw), "media")
    if match := _LAST_BRACKETS.search(raw):
        language = next(
            (name for name, patterns in _ALL.items() if patterns.edited.search(match[1])), ""
        )
        if language or MARK in match[0]:
            return Reading(text[: text.rindex("<")].strip(), "", language)
    return Reading(text.strip())


def language_of(notice: str) -> str:
    """The language of a line without a sender; "" for one that is not known."""
    return next((name for name, patterns in _ALL.items() if patterns.notice.search(notice)), "")


def _caption(others: str, raw: str) -> str:
    """What is written under a file: not its name, nor what the app adds."""
    lines = others.strip().split("\n")
    if any(line.startswith(MARK) for line in raw.split("\n")[1:]):
        return ""
    if _FILE_NAME.fullmatch(lines[0].strip()):
        lines = lines[1:]
    return "\n".join(lines).strip()
