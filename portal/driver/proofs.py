"""The proof that comes with a handed-over parcel: checked, stored by content hash, described for the record."""

from flask import Request

from tracking.files import FileStore
from tracking.pictures import MAX_PHOTO_BYTES, Picture, read_photo, read_signature
from tracking.proofs import ProofKind
from tracking.taps import NewProof

LONGEST_NAME = 120


def taken_proofs(request: Request, files: FileStore) -> list[NewProof]:
    """Return photo, signature and receiver's name as far as the form has them. Raises ``BadPicture``.

    Files are stored before the row that names them; one that no row names in the end is only a file.
    """
    proofs = []
    name = " ".join((request.form.get("received_by", "").strip() or request.form.get("receiver", "")).split())
    if name:
        proofs.append(NewProof(ProofKind.NAME, text=name[:LONGEST_NAME]))
    upload = request.files.get("photo")
    data = upload.stream.read(MAX_PHOTO_BYTES + 1) if upload is not None and upload.filename else b""
    if upload is not None and upload.filename:
        proofs.append(_stored(ProofKind.PHOTO, read_photo(data), files))
    signature = read_signature(request.form.get("signature", ""))
    if signature is not None:
        proofs.append(_stored(ProofKind.SIGNATURE, signature, files))
    return proofs


def _stored(kind: ProofKind, picture: Picture, files: FileStore) -> NewProof:
    return NewProof(
        kind,
        sha256=files.put(picture.original),
        public_sha256=files.put(picture.public),
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
    )
