//! Images, decoded completely: a browser would show the upper half of one that is cut off, and nobody would notice.

use super::Checked;
use super::kind::Format;
use image::{AnimationDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// Memory that decoding one image may take, in bytes.
const ALLOC_MAX_BYTES: u64 = 256 << 20;

pub(super) fn decode(format: Format, bytes: &[u8]) -> Checked {
    let wrong = |error: image::ImageError| format!("it cannot be decoded: {error}");
    if format == Format::Gif {
        // Every picture of an animation.
        let decoder = image::codecs::gif::GifDecoder::new(Cursor::new(bytes)).map_err(wrong)?;
        let mut frames = 0;
        for frame in decoder.into_frames() {
            frame.map_err(wrong)?;
            frames += 1;
        }
        return if frames == 0 { Err("it holds no picture".into()) } else { Ok(()) };
    }
    let format = match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::Gif => ImageFormat::Gif,
        Format::WebP => ImageFormat::WebP,
        Format::Tiff => ImageFormat::Tiff,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(ALLOC_MAX_BYTES);
    reader.limits(limits);
    match reader.decode() {
        Ok(_) => {}
        // Not a fault of the image: a variant that is not known here, or larger than is decoded here.
        Err(image::ImageError::Unsupported(_) | image::ImageError::Limits(_)) => return Ok(()),
        Err(error) => return Err(wrong(error)),
    }
    // Decoders of JPEG are lenient and fill what is missing with grey.
    if format == ImageFormat::Jpeg && !ends_as_jpeg(bytes) {
        return Err("it is cut off: there is no end mark".into());
    }
    Ok(())
}

/// Cameras and phones append things behind the end mark; it must be there at all.
fn ends_as_jpeg(bytes: &[u8]) -> bool {
    bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}
