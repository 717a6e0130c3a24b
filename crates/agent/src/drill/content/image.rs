//! Images, decoded completely: a browser would show the upper half of one that is cut off, and nobody would notice.

use super::Finding;
use super::kind::Format;
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// Memory that decoding one image may take, in bytes.
const ALLOC_MAX_BYTES: u64 = 256 << 20;

pub(super) fn decode(format: Format, bytes: &[u8]) -> Finding {
    match decoded(format, bytes) {
        Ok(true) => Finding::Right,
        Ok(false) if format == Format::Gif => Finding::Wrong("it holds no picture".into()),
        // Decoders of JPEG are lenient and fill what is missing with grey.
        Ok(false) => Finding::Wrong("it is cut off: there is no end mark".into()),
        // Not a fault of the image: a variant that is not known here, or larger than is decoded here.
        Err(error @ (ImageError::Unsupported(_) | ImageError::Limits(_))) => {
            Finding::Unchecked(error.to_string())
        }
        Err(error) => Finding::Wrong(format!("it cannot be decoded: {error}")),
    }
}

/// Whether all of it is there: a picture, and the end mark of a JPEG.
fn decoded(format: Format, bytes: &[u8]) -> Result<bool, ImageError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(ALLOC_MAX_BYTES);
    let format = match format {
        Format::Gif => {
            // Every picture of an animation.
            let mut decoder = GifDecoder::new(Cursor::new(bytes))?;
            decoder.set_limits(limits)?;
            let mut frames = 0;
            for frame in decoder.into_frames() {
                frame?;
                frames += 1;
            }
            return Ok(frames > 0);
        }
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
        Format::Tiff => ImageFormat::Tiff,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.decode()?;
    Ok(format != ImageFormat::Jpeg || ends_as_jpeg(bytes))
}

/// Cameras and phones append things behind the end mark; it must be there at all.
fn ends_as_jpeg(bytes: &[u8]) -> bool {
    bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}
