"""encodings.py BASE_FOLDER TINY_EN_FOLDER: writes encodings.json beside this file, the tokens that Hugging Face's
tokenizers gives to texts of many scripts and kinds. Text that reads like a special token is text."""
import json
import pathlib
import sys

import tokenizers

LANGUAGES = {
    "en": "Thank you, we'll see each other tomorrow at 9.", "zh": "谢谢，我们明天9点见。", "de": "Danke schön, wir sehen uns morgen um 9 Uhr.",
    "es": "¡Muchas gracias! ¿Nos vemos mañana a las 9?", "ru": "Спасибо, увидимся завтра в 9 часов.", "ko": "고마워요, 내일 9시에 만나요.",
    "fr": "Merci beaucoup, à demain à 9 h, n'est-ce pas ?", "ja": "ありがとう、明日9時に会いましょう。", "pt": "Obrigado, até amanhã às 9 horas.",
    "tr": "Teşekkürler, yarın saat 9'da görüşürüz.", "pl": "Dziękuję, do zobaczenia jutro o 9.", "ca": "Moltes gràcies, fins demà a les 9.",
    "nl": "Dank je wel, tot morgen om 9 uur.", "ar": "شكرًا جزيلًا، أراك غدًا في الساعة ٩.", "sv": "Tack så mycket, vi ses i morgon klockan 9.",
    "it": "Grazie mille, perché no, a domani alle 9.", "id": "Terima kasih, sampai jumpa besok jam 9.", "hi": "धन्यवाद, कल ९ बजे मिलेंगे।",
    "fi": "Kiitos, nähdään huomenna kello 9.", "vi": "Cảm ơn bạn, hẹn gặp lại ngày mai lúc 9 giờ.", "he": "תודה רבה, נתראה מחר ב-9.",
    "uk": "Дякую, побачимося завтра о 9.", "el": "Ευχαριστώ πολύ, τα λέμε αύριο στις 9.", "cs": "Děkuji, uvidíme se zítra v 9.",
    "ro": "Mulțumesc, ne vedem mâine la 9.", "da": "Tak, vi ses i morgen klokken 9, på gensyn.", "hu": "Köszönöm, holnap 9-kor találkozunk, jó?",
    "ta": "நன்றி, நாளை 9 மணிக்கு சந்திப்போம்.", "no": "Takk, vi sees i morgen klokka 9 på øya.", "th": "ขอบคุณ พบกันพรุ่งนี้เวลา ๙ นาฬิกา",
    "ur": "شکریہ، کل ۹ بجے ملتے ہیں۔", "hr": "Hvala, vidimo se sutra u 9, može?", "bg": "Благодаря, ще се видим утре в 9.",
    "lt": "Ačiū, pasimatysime rytoj 9 valandą.", "la": "Gratias tibi ago, cras te videbo.", "ml": "നന്ദി, നാളെ 9 മണിക്ക് കാണാം.",
    "cy": "Diolch yn fawr, wela i di yfory am 9.", "sk": "Ďakujem, uvidíme sa zajtra o 9.", "te": "ధన్యవాదాలు, రేపు 9 గంటలకు కలుద్దాం.",
    "fa": "ممنون، فردا ساعت ۹ می‌بینمت.", "lv": "Paldies, tiksimies rīt pulksten 9.", "bn": "ধন্যবাদ, কাল ৯টায় দেখা হবে।",
    "sr": "Хвала, видимо се сутра у 9.", "kn": "ಧನ್ಯವಾದಗಳು, ನಾಳೆ 9 ಗಂಟೆಗೆ ಸಿಗೋಣ.", "et": "Aitäh, näeme homme kell 9.",
    "is": "Takk fyrir, sjáumst á morgun klukkan 9.", "hy": "Շնորհակալություն, վաղը կտեսնվենք։", "ne": "धन्यवाद, भोलि ९ बजे भेटौंला।",
    "mn": "Баярлалаа, маргааш 9 цагт уулзъя.", "kk": "Рақмет, ертең сағат 9-да кездесеміз.", "sw": "Asante sana, tutaonana kesho saa 3.",
    "pa": "ਧੰਨਵਾਦ, ਕੱਲ੍ਹ ੯ ਵਜੇ ਮਿਲਾਂਗੇ।", "si": "ස්තූතියි, හෙට හමුවෙමු.", "km": "អរគុណ ជួបគ្នាថ្ងៃស្អែក។", "yo": "Ẹ ṣé púpọ̀, ó dàbọ̀.",
    "ka": "მადლობა, ხვალ 9 საათზე გნახავ.", "gu": "આભાર, કાલે ૯ વાગ્યે મળીશું.", "am": "አመሰግናለሁ፣ ነገ እንገናኝ።", "yi": "אַ שיינעם דאַנק, ביז מאָרגן.",
    "lo": "ຂອບໃຈ ພົບກັນມື້ອື່ນ", "my": "ကျေးဇူးတင်ပါတယ်၊ မနက်ဖြန်တွေ့မယ်။", "bo": "ཐུགས་རྗེ་ཆེ། སང་ཉིན་མཇལ་ཡོང་།", "haw": "Mahalo nui, a hui hou i ka lā ʻapōpō.",
    "yue": "多謝晒，聽日9點見啦。",
}
OTHERS = [
    "", " ", "a", "the", " the", "\n", "'", "''s", "'s", " 's",
    # emoji: a family joined, skin tones, flags, keycap, text and emoji presentation, a flag of tags
    "👩‍👩‍👧‍👦 and 👨🏽‍🚒", "👍🏻👍🏿", "🇩🇪🇯🇵 🇨🇭", "1️⃣2️⃣", "☎︎☎️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "I❤️U :-) ¯\\_(ツ)_/¯",
    # combining marks, in both normal forms and stacked
    "é e\u0301 ñ n\u0303", "Z\u0351\u036b\u0343a\u0321\u034elg\u0321\u0353o", "각 \u1100\u1161\u11a8", "\u0301\u0302 \u0303", "ÅÅ",
    # right to left, with marks of direction
    "abc \u202bאבג\u202c def", "\u200fשלום\u200e (hello) مرحبا 123", "\u2067ab\u2069",
    # white space
    "\t", "\t\ta", "  a", "a  b   c    d", "a\n\nb", "a \n b", "a\r\nb\r\n", " \n\t\r ", "a   ", "   ", "\u00a0", "a\u00a0b", " \u00a0a",
    "\u00a0 a", "\u3000あ\u3000\u3000い", "a\u2028b\u2029c", "\u2003\u2009a", "\u200b \ufeffa", "a\u0085b", "a\x1cb\x1d \x1f", "\v\fa", "\x00a\x00 \x7f",
    # contractions
    "I'm he's we'll you've they're she'd can't", "I'M HE'S WE'LL YOU'VE THEY'RE SHE'D CAN'T", "it's'll've", "'tis 'T 's 'S", "l'été d'or", "a’s ’ll",
    "x'sy 'rest 'very 'mother 'llama 'dog",
    # numbers
    "0123456789", "3.14159, -1,000,000.00 €", "1a2b", "2026-11-27T21:10:00Z", "½ Ⅷ ² ₃ ① ୭ 七 𝟘", "4th 1st",
    # long words
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "a" * 300, "ab" * 200, "あ" * 100, "-" * 150, " " * 150,
    "😀" * 40, "1" * 100, "\n" * 70,
    # control tokens, by their looks
    "<|endoftext|>", "<|startoftranscript|><|en|><|transcribe|><|0.00|> hi<|30.00|>", " <|notimestamps|>", "<|nospeech|><|startofprev|>",
    # code, addresses, signs
    "int main() { return x[0] != 'a'; }  // end", "https://example.org/a_b?c=d&e=%20#f", "me@example.org", "«»„“”‘’–—…·•", "∑∫√π≠∞", "a_b-c.d/e\\f",
    # private use, noncharacters, the last code point, U+FFFD, letters that are new in Unicode 16
    "\ue000\uffff\U0010ffff\ufffd", "\u1c89\ua7cb \U000105c0a",
]


def load(folder):
    description = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
    description["added_tokens"] = []
    return tokenizers.Tokenizer.from_str(json.dumps(description))


def main():
    models = {name: load(folder) for name, folder in zip(("base", "tiny.en"), sys.argv[1:], strict=True)}
    entries = [{"text": text} | {name: model.encode(text, add_special_tokens=False).ids for name, model in models.items()}
               for text in [*LANGUAGES.values(), *OTHERS]]
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    pathlib.Path(__file__).with_suffix(".json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
