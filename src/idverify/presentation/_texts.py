"""The words themselves: Vietnamese first, English second. Plain sentences, no jargon where it can be helped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from idverify.report import CheckId, CheckStatus, Reason


class Text(NamedTuple):
    """One sentence or label in both languages."""

    vi: str
    en: str


class CheckText(NamedTuple):
    """How one check is called, and what is said where it succeeded."""

    title: Text
    passed: Text


STATUSES: Mapping[CheckStatus, Text] = {
    CheckStatus.SUCCESSFUL: Text("Đạt", "Passed"),
    CheckStatus.FAILED: Text("Không đạt", "Failed"),
    CheckStatus.UNDETERMINED: Text("Chưa xác định", "Undetermined"),
    CheckStatus.NOT_SUPPORTED: Text("Thẻ không hỗ trợ", "Not supported"),
    CheckStatus.NOT_PERFORMED: Text("Chưa thực hiện", "Not performed"),
    CheckStatus.ABORTED: Text("Bị gián đoạn", "Aborted"),
}

OUTCOMES: Mapping[str, CheckText] = {
    "accept": CheckText(
        Text("CHẤP NHẬN", "ACCEPT"),
        Text("Thẻ là thật và người xuất trình là chủ thẻ.", "The card is genuine and the person is its holder."),
    ),
    "reject": CheckText(
        Text("TỪ CHỐI", "REJECT"),
        Text(
            "Có bước kiểm tra không đạt. Không sử dụng kết quả đọc thẻ này.",
            "A check has failed. Do not rely on this card.",
        ),
    ),
    "review": CheckText(
        Text("CẦN XEM XÉT", "REVIEW"),
        Text(
            "Cán bộ cần xem các mục được đánh dấu và tự quyết định.",
            "An official must look at the marked checks and decide.",
        ),
    ),
    "inconclusive": CheckText(
        Text("CHƯA KẾT LUẬN", "INCONCLUSIVE"),
        Text(
            "Chưa đủ căn cứ để kết luận. Hãy đọc lại thẻ hoặc chụp lại ảnh.",
            "The evidence does not suffice. Read the card or take the picture again.",
        ),
    ),
}

OUTCOMES_WITHOUT_PERSON: Mapping[str, Text] = {
    "accept": Text(
        "Dữ liệu là thật. Chưa kiểm tra người xuất trình.",
        "The data are genuine. The person has not been checked.",
    ),
}
"""What is said instead where nobody's face or finger was compared."""

ANOTHER_PERSON: Mapping[str, Text] = {
    "reject": Text(
        "Thẻ đạt mọi bước kiểm tra, nhưng người xuất trình không khớp với chủ thẻ.",
        "The card has passed; the person does not match its holder.",
    ),
}
"""What is said instead where nothing but the comparison with the person failed."""

CHECKS: Mapping[CheckId, CheckText] = {
    CheckId.ACCESS_PACE: CheckText(
        Text("Mở chip bằng PACE", "Chip opened with PACE"),
        Text("Chip đã mở bằng kênh bảo mật PACE.", "The chip was opened over a secure PACE channel."),
    ),
    CheckId.ACCESS_BAC: CheckText(
        Text("Mở chip bằng BAC", "Chip opened with BAC"),
        Text("Chip đã mở bằng kênh bảo mật BAC.", "The chip was opened over a secure BAC channel."),
    ),
    CheckId.SOD_SIGNATURE: CheckText(
        Text("Chữ ký của cơ quan cấp", "Issuer's signature"),
        Text("Chữ ký số trên dữ liệu của chip hợp lệ.", "The digital signature over the chip's data is valid."),
    ),
    CheckId.DSC_CHAIN: CheckText(
        Text("Cơ quan ký được tin cậy", "Signer is trusted"),
        Text(
            "Chứng thư ký dẫn tới một cơ quan gốc trong kho tin cậy.",
            "The signing certificate leads to an authority in the trust store.",
        ),
    ),
    CheckId.DSC_VALIDITY: CheckText(
        Text("Hiệu lực của chứng thư ký", "Signing certificate in force"),
        Text("Chứng thư ký còn hiệu lực.", "The signing certificate is within its validity period."),
    ),
    CheckId.DSC_REVOCATION: CheckText(
        Text("Thu hồi chứng thư ký", "Revocation of the signing certificate"),
        Text("Chứng thư ký không bị thu hồi.", "The signing certificate has not been revoked."),
    ),
    CheckId.DSC_PROFILE: CheckText(
        Text("Khuôn dạng chứng thư ký", "Form of the signing certificate"),
        Text("Chứng thư ký đúng khuôn dạng quy định.", "The signing certificate has the prescribed form."),
    ),
    CheckId.DG_HASH: CheckText(
        Text("Dữ liệu nguyên vẹn", "Data unaltered"),
        Text("Dữ liệu đúng như khi cơ quan cấp ký.", "The data are exactly as the issuer signed them."),
    ),
    CheckId.COM_SOD: CheckText(
        Text("Danh mục tệp", "List of files"),
        Text("Danh mục tệp khớp với danh mục đã ký.", "The list of files agrees with the signed one."),
    ),
    CheckId.ISSUER_MRZ: CheckText(
        Text("Nước cấp thẻ", "Issuing state"),
        Text("Nước cấp trên thẻ khớp với cơ quan ký.", "The issuing state on the card agrees with the signer."),
    ),
    CheckId.CARD_SECURITY: CheckText(
        Text("Tệp bảo mật của chip", "Chip's security file"),
        Text("Tệp EF.CardSecurity có chữ ký hợp lệ.", "EF.CardSecurity carries a valid signature."),
    ),
    CheckId.CARD_ACCESS: CheckText(
        Text("Cách mở chip đúng như đã ký", "Ways to open the chip as signed"),
        Text(
            "Chip đưa ra đúng các cách mở bằng PACE mà cơ quan cấp đã ký.",
            "The chip offers the ways of PACE that the issuer signed, and no other.",
        ),
    ),
    CheckId.CHIP_AUTHENTICATION: CheckText(
        Text("Chip gốc (Chip Authentication)", "Original chip (Chip Authentication)"),
        Text("Chip chứng minh được nó là bản gốc.", "The chip has proven that it is the original."),
    ),
    CheckId.ACTIVE_AUTHENTICATION: CheckText(
        Text("Chip gốc (Active Authentication)", "Original chip (Active Authentication)"),
        Text("Chip chứng minh được nó không phải bản sao.", "The chip has proven that it is not a copy."),
    ),
    CheckId.TERMINAL_AUTHENTICATION: CheckText(
        Text("Thiết bị đọc được cấp quyền", "Reader authorised by the chip"),
        Text("Chip đã chấp nhận quyền của thiết bị đọc.", "The chip has accepted the reader's authorisation."),
    ),
    CheckId.DOCUMENT_VALIDITY: CheckText(
        Text("Thời hạn của thẻ", "Card in force"),
        Text("Thẻ còn thời hạn sử dụng.", "The card has not expired."),
    ),
    CheckId.DOCUMENT_CONTENTS: CheckText(
        Text("Khuôn dạng dữ liệu", "Form of the data"),
        Text("Nội dung tệp đúng khuôn dạng quy định.", "The file's content has the prescribed form."),
    ),
    CheckId.CCCD_CONSISTENCY: CheckText(
        Text("Thông tin thống nhất", "Details agree"),
        Text("Thông tin trong các tệp của chip khớp nhau.", "The details in the chip's files agree with one another."),
    ),
    CheckId.FACE_MATCH: CheckText(
        Text("Khuôn mặt", "Face"),
        Text("Khuôn mặt khớp với ảnh trong chip.", "The face matches the portrait in the chip."),
    ),
    CheckId.FACE_PAD: CheckText(
        Text("Người thật trước máy ảnh", "Live person before the camera"),
        Text("Không thấy dấu hiệu giả mạo khuôn mặt.", "No sign of a presentation attack was seen."),
    ),
    CheckId.FACE_CHALLENGE: CheckText(
        Text("Cử động theo yêu cầu", "Movements that were asked for"),
        Text(
            "Một người đã làm đúng các cử động được yêu cầu ngẫu nhiên.",
            "One person made the movements that were asked for at random.",
        ),
    ),
    CheckId.FACE_QUALITY: CheckText(
        Text("Chất lượng ảnh khuôn mặt", "Quality of the face picture"),
        Text("Ảnh đủ rõ để so sánh.", "The picture is good enough to compare."),
    ),
    CheckId.FINGER_MATCH: CheckText(
        Text("Vân tay", "Fingerprint"),
        Text("Vân tay khớp với mẫu đã lưu.", "The fingerprint matches the stored one."),
    ),
    CheckId.FINGER_QUALITY: CheckText(
        Text("Chất lượng vân tay", "Quality of the fingerprint"),
        Text("Vân tay đủ rõ để so sánh.", "The fingerprint is good enough to compare."),
    ),
    CheckId.ONLINE_DS: CheckText(
        Text("Xác thực trực tuyến", "Online check with the authority"),
        Text("Cơ quan có thẩm quyền xác nhận chứng thư ký.", "The authority has confirmed the signing certificate."),
    ),
    CheckId.TRUST_AGE: CheckText(
        Text("Độ mới của danh sách tin cậy", "Age of the trust list"),
        Text("Danh sách tin cậy đủ mới.", "The trust list is recent enough."),
    ),
    CheckId.CONSENT: CheckText(
        Text("Sự đồng ý của chủ thẻ", "The holder's consent"),
        Text("Có sự đồng ý cho mục đích này.", "There is a consent for this purpose."),
    ),
}

REASONS: Mapping[Reason, Text] = {
    Reason.OK: Text("Không có ghi chú.", "Nothing to note."),
    Reason.FALLBACK_FROM_PACE: Text(
        "PACE không thành công nên đã chuyển sang BAC, kém an toàn hơn.",
        "PACE did not succeed; the weaker BAC was used instead.",
    ),
    Reason.NOT_OFFERED: Text("Thẻ không có chức năng này.", "The card does not offer this."),
    Reason.WRONG_PASSWORD: Text(
        "Chip không chấp nhận mã truy cập đã nhập.", "The chip does not accept the access code given."
    ),
    Reason.SOD_MISSING: Text("Thiếu tệp chữ ký (EF.SOD).", "The file with the signature (EF.SOD) is missing."),
    Reason.SOD_MALFORMED: Text("Tệp chữ ký (EF.SOD) bị hỏng.", "The file with the signature (EF.SOD) is malformed."),
    Reason.SIGNATURE_INVALID: Text("Chữ ký số không hợp lệ.", "The digital signature is not valid."),
    Reason.DIGEST_MISMATCH: Text(
        "Nội dung đã ký không khớp với giá trị băm trong chữ ký.",
        "The signed content does not agree with the digest in the signature.",
    ),
    Reason.CONTENT_TYPE: Text("Loại nội dung đã ký không đúng.", "The signed content is of another type."),
    Reason.KNOWN_DEVIATION: Text(
        "Sai lệch đã được nước cấp công bố.", "A defect that the issuing state has announced."
    ),
    Reason.SIGNER_NOT_FOUND: Text("Không có chứng thư của người ký.", "The signer's certificate is missing."),
    Reason.ALGORITHM_UNSUPPORTED: Text(
        "Phần mềm chưa hỗ trợ thuật toán này.", "The software does not know this algorithm."
    ),
    Reason.CSCA_NOT_FOUND: Text(
        "Không tìm thấy cơ quan gốc trong kho tin cậy: thẻ có thể giả, hoặc kho còn thiếu.",
        "The root authority is not in the trust store: the card may be forged, or the store incomplete.",
    ),
    Reason.CHAIN_INVALID: Text(
        "Chứng thư ký không do cơ quan gốc được tin cậy cấp.",
        "The signing certificate was not issued by the trusted authority.",
    ),
    Reason.CERTIFICATE_MALFORMED: Text("Chứng thư bị hỏng.", "A certificate is malformed."),
    Reason.KEY_USAGE: Text(
        "Chứng thư không được phép ký loại dữ liệu này.", "The certificate may not be used for this."
    ),
    Reason.CRITICAL_EXTENSION: Text(
        "Chứng thư có phần mở rộng bắt buộc mà phần mềm chưa hiểu.",
        "A certificate has a critical extension that the software does not know.",
    ),
    Reason.DOCUMENT_TYPE: Text(
        "Chứng thư ký không dành cho loại giấy tờ này.",
        "The signing certificate is not meant for this type of document.",
    ),
    Reason.NOT_YET_VALID: Text("Chưa đến ngày có hiệu lực.", "It is not valid yet."),
    Reason.EXPIRED: Text("Đã hết hạn.", "It has expired."),
    Reason.REVOKED: Text("Đã bị cơ quan cấp thu hồi.", "It has been revoked by its issuer."),
    Reason.CRL_INVALID: Text("Danh sách thu hồi không hợp lệ.", "The revocation list is not valid."),
    Reason.NO_CRL: Text("Không có danh sách thu hồi để kiểm tra.", "There is no revocation list to check against."),
    Reason.CRL_STALE: Text("Danh sách thu hồi đã cũ.", "The revocation list is out of date."),
    Reason.HASH_MISMATCH: Text(
        "Dữ liệu đã bị thay đổi sau khi cơ quan cấp ký.",
        "The data have been altered since the issuer signed them.",
    ),
    Reason.HASH_NOT_IN_SOD: Text(
        "Dữ liệu này không nằm trong danh mục đã ký.", "These data are not in the signed list."
    ),
    Reason.NOT_READ: Text("Tệp này chưa được đọc.", "This file was not read."),
    Reason.ACCESS_REFUSED: Text(
        "Chip không cho đọc tệp này: cần quyền riêng.",
        "The chip does not let this file be read: that takes special rights.",
    ),
    Reason.FILE_ABSENT: Text("Chip không có tệp này.", "The chip has no such file."),
    Reason.FILE_MALFORMED: Text("Tệp bị hỏng.", "The file is malformed."),
    Reason.COM_MISSING: Text("Thiếu danh mục tệp (EF.COM).", "The list of files (EF.COM) is missing."),
    Reason.COM_SOD_DIFFER: Text(
        "Danh mục tệp khác với danh mục đã ký.", "The list of files differs from the signed one."
    ),
    Reason.COUNTRY_MISMATCH: Text(
        "Nước cấp trên thẻ khác với nước của cơ quan ký.", "The card's state is not the signer's."
    ),
    Reason.COUNTRY_UNKNOWN: Text("Không rõ nước cấp.", "The issuing state cannot be told."),
    Reason.PROFILE_DEVIATION: Text(
        "Đọc được, nhưng không đúng khuôn dạng quy định.", "It can be read, but it does not have the prescribed form."
    ),
    Reason.CARD_ACCESS_DIFFERS: Text(
        "Tệp EF.CardAccess khác với bản đã ký.", "EF.CardAccess differs from what was signed."
    ),
    Reason.CARD_ACCESS_UNSIGNED: Text(
        "Không tệp đã ký nào nhắc lại nội dung của EF.CardAccess.", "Nothing signed repeats what EF.CardAccess says."
    ),
    Reason.KEY_NOT_VOUCHED: Text(
        "Khóa của chip chưa được chữ ký của cơ quan cấp bảo đảm, nên phép thử không có giá trị.",
        "The issuer's signature does not vouch for the chip's key, so this proves nothing.",
    ),
    Reason.KEY_MISSING: Text("Thiếu khóa để kiểm tra.", "The key for this check is missing."),
    Reason.CHIP_PROOF_INVALID: Text(
        "Chip trả lời sai: rất có thể là bản sao.",
        "The chip's answer is wrong: it is most likely a copy.",
    ),
    Reason.CHIP_REFUSED: Text(
        "Chip từ chối thực hiện: có thể là bản sao.",
        "The chip refused to answer: it may be a copy.",
    ),
    Reason.ANSWER_MALFORMED: Text(
        "Câu trả lời của chip không đúng giao thức.", "The chip's answer does not follow the protocol."
    ),
    Reason.TERMINAL_ISSUER_UNKNOWN: Text(
        "Chip không tin cơ quan cấp chứng thư cho thiết bị đọc.",
        "The chip does not trust the authority that certified this reader.",
    ),
    Reason.TERMINAL_ROLE: Text(
        "Chứng thư của thiết bị đọc không đúng vai trò.", "A certificate of this reader has the wrong role."
    ),
    Reason.TERMINAL_CERTIFICATE_REFUSED: Text(
        "Chip không chấp nhận chứng thư của thiết bị đọc; có thể chứng thư đã hết hạn.",
        "The chip does not accept a certificate of this reader; it may have expired by the chip's date.",
    ),
    Reason.TERMINAL_PROOF_REFUSED: Text(
        "Chip không chấp nhận chữ ký của thiết bị đọc.", "The chip does not accept this reader's signature."
    ),
    Reason.RIGHTS_INSUFFICIENT: Text(
        "Thiết bị đọc không được cấp quyền đọc hết các nhóm dữ liệu.",
        "The reader's rights do not cover every data group.",
    ),
    Reason.REFERENCE_LOCKED: Text(
        "Chip đã khóa việc so sánh vân tay.", "The chip has locked the comparison of this finger."
    ),
    Reason.FEW_TRIES_LEFT: Text(
        "Chip chỉ còn ít lần thử, nên không so sánh.", "The chip has few tries left, so none was risked."
    ),
    Reason.DATE_UNREADABLE: Text("Không đọc được ngày.", "A date cannot be read."),
    Reason.FIELDS_DIFFER: Text("Thông tin giữa các tệp không khớp.", "The details in the files do not agree."),
    Reason.FIELDS_MISSING: Text("Thiếu thông tin để đối chiếu.", "Details are missing that could be compared."),
    Reason.CHECK_DIGIT: Text("Số kiểm tra sai.", "A check digit is wrong."),
    Reason.PRIVATE_KEY_USAGE: Text(
        "Thẻ được ký ngoài thời gian cho phép dùng khóa ký.",
        "It was signed outside the time in which the signer's private key may be used.",
    ),
    Reason.ABOVE_THRESHOLD: Text("Độ giống đạt ngưỡng.", "The similarity reaches the threshold."),
    Reason.BELOW_THRESHOLD: Text("Độ giống dưới ngưỡng.", "The similarity is below the threshold."),
    Reason.NO_PORTRAIT: Text("Không có ảnh trong chip.", "There is no portrait in the chip."),
    Reason.NO_FACE: Text("Không thấy khuôn mặt trong ảnh.", "There is no face in the picture."),
    Reason.SEVERAL_FACES: Text("Có nhiều khuôn mặt trong ảnh.", "There are several faces in the picture."),
    Reason.POOR_QUALITY: Text("Chất lượng không đủ để so sánh.", "The quality does not suffice for a comparison."),
    Reason.NOT_CALIBRATED: Text(
        "Chưa có bảng sai số cho mô hình này.",
        "There is no table of error rates for this model.",
    ),
    Reason.SAMPLE_MISSING: Text("Chưa có ảnh hoặc mẫu để so sánh.", "There is no live sample to compare."),
    Reason.IMAGE_UNREADABLE: Text("Không mở được ảnh.", "The picture cannot be opened."),
    Reason.SCORE_MISSING: Text("Kết quả không kèm điểm số.", "The result carries no score."),
    Reason.TIME_OUT: Text(
        "Cử động được yêu cầu không được thực hiện kịp thời.", "A movement that was asked for was not made in time."
    ),
    Reason.WRONG_ACTION: Text(
        "Đã làm cử động khác với yêu cầu.", "Another movement was made than the one that was asked for."
    ),
    Reason.FACE_LOST: Text("Khuôn mặt ra khỏi khung hình.", "The face was out of the picture for too long."),
    Reason.FACE_JUMPED: Text(
        "Khuôn mặt nhảy vị trí giữa hai khung hình.", "The face jumped between two frames, as if it were exchanged."
    ),
    Reason.FROZEN: Text(
        "Máy ảnh cho các khung hình giống hệt nhau.", "The camera gave the same frame again and again."
    ),
    Reason.FACE_CHANGED: Text(
        "Người cử động không phải người nhìn thẳng.", "The person who moved is not the one who looked straight."
    ),
    Reason.END_OF_STREAM: Text(
        "Luồng hình kết thúc trước khi đủ cử động.", "The stream ended before all movements were made."
    ),
    Reason.LIST_TOO_OLD: Text(
        "Danh sách tin cậy đã quá cũ, cần cập nhật.", "The trust list is too old and must be updated."
    ),
    Reason.LIST_AGE_UNKNOWN: Text(
        "Không rõ danh sách tin cậy được lập khi nào.", "Nothing says when the trust list was made."
    ),
    Reason.CONSENT_MISSING: Text(
        "Chưa có sự đồng ý của chủ thẻ nên không xử lý sinh trắc học.",
        "There is no consent of the holder, so no biometrics were computed.",
    ),
    Reason.CONSENT_PURPOSE: Text("Sự đồng ý được cho mục đích khác.", "The consent was given for another purpose."),
    Reason.NOT_REQUESTED: Text("Không được yêu cầu.", "It was not asked for."),
    Reason.NOT_IMPLEMENTED: Text("Phần mềm chưa có chức năng này.", "The software does not do this yet."),
    Reason.READ_ERROR: Text("Lỗi khi đọc chip.", "Reading the chip failed."),
    Reason.SERVICE_UNREACHABLE: Text("Không kết nối được dịch vụ.", "The service cannot be reached."),
    Reason.SERVICE_REJECTED: Text("Dịch vụ trả lời: không hợp lệ.", "The service answered: not valid."),
    Reason.CANCELLED: Text("Người dùng đã dừng.", "It was cancelled."),
}

SPECIFIC: Mapping[tuple[CheckId, Reason], Text] = {
    (CheckId.DOCUMENT_VALIDITY, Reason.EXPIRED): Text("Thẻ đã hết hạn sử dụng.", "The card has expired."),
    (CheckId.DOCUMENT_VALIDITY, Reason.DATE_UNREADABLE): Text(
        "Không đọc được ngày hết hạn của thẻ.", "The card's expiry date cannot be read."
    ),
    (CheckId.FINGER_MATCH, Reason.NOT_CALIBRATED): Text(
        "Bảng sai số không đủ cho chừng này lần so sánh: hãy ghi rõ ngón tay, hoặc đưa ít ảnh hơn.",
        "The table of error rates does not reach so many comparisons: name the finger, or give fewer prints.",
    ),
    (CheckId.TERMINAL_AUTHENTICATION, Reason.EXPIRED): Text(
        "Chứng thư của thiết bị đọc đã hết hạn.", "A certificate of this reader has expired."
    ),
    (CheckId.TERMINAL_AUTHENTICATION, Reason.CHIP_REFUSED): Text(
        "Chip từ chối cấp quyền cho thiết bị đọc.", "The chip refused to authorise this reader."
    ),
    (CheckId.DSC_VALIDITY, Reason.EXPIRED): Text(
        "Chứng thư ký đã hết hiệu lực.", "The signing certificate has expired."
    ),
    (CheckId.DSC_VALIDITY, Reason.NOT_YET_VALID): Text(
        "Chứng thư ký chưa có hiệu lực.", "The signing certificate is not valid yet."
    ),
    (CheckId.DSC_REVOCATION, Reason.REVOKED): Text(
        "Chứng thư ký đã bị thu hồi.", "The signing certificate has been revoked."
    ),
    (CheckId.FACE_MATCH, Reason.BELOW_THRESHOLD): Text(
        "Khuôn mặt không khớp với ảnh trong chip.", "The face does not match the portrait in the chip."
    ),
    (CheckId.FACE_MATCH, Reason.SAMPLE_MISSING): Text("Chưa chụp ảnh người xuất trình.", "No live picture was taken."),
    (CheckId.FACE_PAD, Reason.BELOW_THRESHOLD): Text(
        "Ảnh chụp có dấu hiệu giả mạo (ảnh in, màn hình).", "The live picture may show a print or a screen."
    ),
    (CheckId.FACE_CHALLENGE, Reason.SAMPLE_MISSING): Text("Không có luồng hình.", "There was no stream of frames."),
    (CheckId.FINGER_MATCH, Reason.BELOW_THRESHOLD): Text(
        "Vân tay không khớp với mẫu đã lưu.", "The fingerprint does not match the stored one."
    ),
    (CheckId.FINGER_MATCH, Reason.SAMPLE_MISSING): Text("Chưa quét vân tay.", "No fingerprint was taken."),
    (CheckId.ONLINE_DS, Reason.SERVICE_UNREACHABLE): Text(
        "Không kết nối được với cơ quan có thẩm quyền.", "The authority's service cannot be reached."
    ),
    (CheckId.ACCESS_PACE, Reason.NOT_OFFERED): Text("Thẻ không hỗ trợ PACE.", "The card does not offer PACE."),
    (CheckId.ACTIVE_AUTHENTICATION, Reason.NOT_OFFERED): Text(
        "Thẻ không có khóa chống sao chép (DG15).", "The card has no anti-copy key (DG15)."
    ),
    (CheckId.CHIP_AUTHENTICATION, Reason.NOT_OFFERED): Text(
        "Thẻ không có khóa Chip Authentication (DG14).", "The card has no Chip Authentication key (DG14)."
    ),
}
"""Where a reason says more beside a certain check."""

GROUPS: Mapping[str, Text] = {
    "access": Text("Mở chip", "Opening the chip"),
    "pa": Text("Dữ liệu thật", "Genuine data"),
    "chip": Text("Chip gốc", "Original chip"),
    "terminal": Text("Quyền của thiết bị đọc", "Reader's rights"),
    "document": Text("Thẻ và chủ thẻ", "Card and holder"),
    "person": Text("Người xuất trình", "The person"),
}

GROUP_OF_PREFIX: Mapping[str, str] = {
    "access": "access",
    "pa": "pa",
    "online": "pa",
    "trust": "pa",
    "chip": "chip",
    "terminal": "terminal",
    "document": "document",
    "cccd": "document",
    "privacy": "person",
    "face": "person",
    "finger": "person",
}

FILES: Mapping[str, Text] = {
    "DG1": Text("dữ liệu MRZ", "machine-readable zone"),
    "DG2": Text("ảnh chân dung", "portrait"),
    "DG3": Text("vân tay", "fingerprints"),
    "DG4": Text("mống mắt", "iris"),
    "DG7": Text("chữ ký chủ thẻ", "signature of the holder"),
    "DG11": Text("thông tin bổ sung", "further personal details"),
    "DG12": Text("thông tin về thẻ", "details of the document"),
    "DG13": Text("thông tin công dân", "citizen details"),
    "DG14": Text("khóa và giao thức", "keys and protocols"),
    "DG15": Text("khóa chống sao chép", "anti-copy key"),
    "DG16": Text("người cần báo tin", "persons to notify"),
    "EF.COM": Text("danh mục tệp", "list of files"),
    "EF.SOD": Text("chữ ký", "signature"),
}

SUBJECTS: Mapping[str, Text] = {
    "inspection": Text("lúc kiểm tra", "at inspection"),
    "issue": Text("lúc cấp thẻ", "at issue"),
    "live": Text("ảnh chụp", "live picture"),
}
"""Subjects of checks that are no files."""

FINGER_ADVICE: Mapping[str, Text] = {
    "place-the-finger": Text("Đặt ngón tay lên cảm biến", "Place the finger on the sensor"),
    "press-harder": Text("Ấn ngón tay mạnh hơn", "Press harder"),
    "dry-the-finger-or-press-less": Text("Lau khô ngón tay hoặc ấn nhẹ hơn", "Dry the finger, or press less"),
    "centre-the-finger": Text("Đặt ngón tay vào giữa", "Centre the finger"),
    "lay-the-finger-flat": Text("Đặt ngón tay nằm phẳng", "Lay the finger flat"),
}
"""Advice at the fingerprint sensor; that of faces stands with their quality measures."""

PHASES: Mapping[str, Text] = {
    "connecting": Text("Kết nối", "Connecting"),
    "access_control": Text("Mở chip", "Opening the chip"),
    "reading_file": Text("Đọc", "Reading"),
    "chip_authentication": Text("Kiểm tra chip gốc", "Proving the chip"),
    "on_card_comparison": Text("So vân tay trên thẻ", "Comparing the finger on the card"),
    "recovering": Text("Mở lại thẻ", "Opening the card again"),
    "verifying": Text("Kiểm tra", "Verifying"),
    "matching": Text("So khuôn mặt", "Matching"),
}

HOLDER: Mapping[str, Text] = {
    "name": Text("Họ và tên", "Full name"),
    "number": Text("Số định danh cá nhân", "Personal number"),
    "document_number": Text("Số giấy tờ", "Document number"),
    "birth": Text("Ngày sinh", "Date of birth"),
    "sex": Text("Giới tính", "Sex"),
    "nationality": Text("Quốc tịch", "Nationality"),
    "ethnicity": Text("Dân tộc", "Ethnicity"),
    "religion": Text("Tôn giáo", "Religion"),
    "place_of_origin": Text("Quê quán", "Place of origin"),
    "place_of_residence": Text("Nơi thường trú", "Place of residence"),
    "identification_features": Text("Đặc điểm nhận dạng", "Identifying features"),
    "issue_date": Text("Ngày cấp", "Date of issue"),
    "expiry": Text("Có giá trị đến", "Date of expiry"),
    "father": Text("Họ tên cha", "Father"),
    "mother": Text("Họ tên mẹ", "Mother"),
    "spouse": Text("Họ tên vợ/chồng", "Spouse"),
    "old_number": Text("Số CMND cũ", "Former ID number"),
}

SEXES: Mapping[str, Text] = {
    "M": Text("Nam", "Male"),
    "F": Text("Nữ", "Female"),
    "<": Text("Không ghi", "Unspecified"),
    "X": Text("Không ghi", "Unspecified"),
}

UNLIMITED = Text("Không thời hạn", "Unlimited")

WARNING = Text(
    "Trang này chứa dữ liệu cá nhân, trong đó có ảnh khuôn mặt. Chỉ dùng cho đúng mục đích đã được đồng ý, "
    "bảo quản có mã hóa và xóa khi không còn cần.",
    "This page holds personal data, a face image among them. Use it for the consented purpose only, keep it encrypted, "
    "and delete it when it is no longer needed.",
)
