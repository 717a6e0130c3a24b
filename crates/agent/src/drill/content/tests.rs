use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Cursor, Write};

fn says(name: &str, bytes: &[u8]) -> Finding {
    let kind = Kind::of_name(name.as_bytes()).unwrap_or_else(|| panic!("{name} is of no interest"));
    check(kind, bytes.len() as u64, &mut &*bytes)
}

#[track_caller]
fn right(name: &str, bytes: &[u8]) {
    assert_eq!(says(name, bytes), Finding::Right, "{name}");
}

#[track_caller]
fn wrong(name: &str, bytes: &[u8], why: &str) {
    match says(name, bytes) {
        Finding::Wrong(text) => assert!(text.contains(why), "{name}: {text:?} does not say {why:?}"),
        other => panic!("{name}: {other:?}"),
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

/// A member of a tar archive with this content, and the end mark.
fn tar_of(content: &[u8]) -> Vec<u8> {
    let mut header = vec![0u8; 512];
    header[..5].copy_from_slice(b"a.txt");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header;
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive.extend_from_slice(&[0; 1024]);
    archive
}

fn zip_of(content: &[u8]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    out.start_file("a.txt", zip::write::SimpleFileOptions::default()).expect("memory");
    out.write_all(content).expect("memory");
    out.finish().expect("memory").into_inner()
}

fn picture(format: ::image::ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| ::image::Rgb([(x * 3) as u8, (y * 5) as u8, (x * y) as u8]);
    let picture = ::image::RgbImage::from_fn(60, 40, pixel);
    let mut out = Cursor::new(Vec::new());
    ::image::DynamicImage::from(picture).write_to(&mut out, format).expect("encoded");
    out.into_inner()
}

#[test]
fn archives_are_walked_to_their_end() {
    let noise: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let tar = tar_of(&noise);
    right("x.tar", &tar);
    wrong("x.tar", &tar[..tar.len() - 1024], "breaks off");
    wrong("x.tar", &tar[..9000], "breaks off in its member 1");
    let mut bad = tar.clone();
    bad[3] ^= 1;
    wrong("x.tar", &bad, "no header");
    let packed = gz(&tar);
    right("x.tar.gz", &packed);
    right("x.TGZ", &packed);
    wrong("x.tar.gz", &packed[..packed.len() / 2], "to its end");
    wrong("x.gz", &packed[..packed.len() - 3], "to its end");
    let mut bad = packed.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x10;
    wrong("x.gz", &bad, "to its end");
    let zip = zip_of(&noise);
    right("x.zip", &zip);
    right("x.docx", &zip);
    wrong("x.zip", &zip[..zip.len() - 30], "table of members");
    let mut bad = zip.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    wrong("x.zip", &bad, "member 1");
}

#[test]
fn images_are_decoded_completely() {
    use ::image::ImageFormat::{Gif, Jpeg, Png, Tiff, WebP};
    for (name, format) in
        [("a.png", Png), ("a.jpeg", Jpeg), ("a.gif", Gif), ("a.webp", WebP), ("a.tif", Tiff)]
    {
        let bytes = picture(format);
        right(name, &bytes);
        for keep in [bytes.len() / 2, bytes.len() * 9 / 10] {
            assert!(matches!(says(name, &bytes[..keep]), Finding::Wrong(_)), "{name} cut to {keep}");
        }
    }
    wrong("a.jpg", &picture(Png), "it is image/png, and should be a JPEG image");
    wrong("a.png", &[0; 4096], "zero bytes");
    wrong("a.png", b"", "empty");
    wrong("a.png", b"<html>sorry</html>", "should be a PNG");
    // A bomb: so many pixels are not decoded, and that is said.
    let mut bomb = picture(Gif);
    bomb[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(says("a.gif", &bomb), Finding::Unchecked(_)), "{:?}", says("a.gif", &bomb));
}

#[test]
fn documents_end_where_they_must() {
    right("a.svg", b"<?xml version=\"1.0\"?><svg xmlns=\"x\"><g><path d=\"M0\"/></g></svg>");
    right("a.svg", b"<svg/>");
    wrong("a.svg", b"<html></html>", "\"html\"");
    wrong("a.svg", b"<svg><g></svg>", "not well-formed");
    wrong("a.xml", b"<a><b></b>", "cut off");
    wrong("a.xml", b"<a/><b/>", "second element");
    right("a.html", b"<!doctype html><html><body class=\"x\"><p>5 < 6<!-- > --><script>if (a<b) {}</script></body></html>");
    right("a.html", b"{% block x %}<p>a partial{% endblock %}");
    wrong("a.html", b"<html><body><p>half a pag", "no end");
    wrong("a.html", b"<p><a href=\"x", "in a tag");
    wrong("a.html", b"<script>var x = 1;", "in a script");
    let pdf = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\nxref\n0 1\n0000000000 65535 f \ntrailer\n<<>>\nstartxref\n29\n%%EOF\n";
    right("a.pdf", pdf);
    wrong("a.pdf", &pdf[..60], "cut off");
    wrong("a.pdf", &[&pdf[..9], &pdf[19..]].concat(), "table of objects");
    right("a.json", b"\xef\xbb\xbf{\"a\": [1, 2, {\"b\": null}]}\n");
    wrong("a.json", b"{\"a\": [1, 2", "cut off");
    wrong("a.json", b"{\"a\": 1} x", "not JSON");
    right("a.yml", b"a:\n  - b\n");
    wrong("a.yml", b"a:\n\t- b\n", "line 2");
    wrong("a.json", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png");
}

#[test]
fn code_ends_where_it_must() {
    right("a.css", b"a{b:url(data:image/png;base64,x//y)}/* ' */ .c::after{content:\"}\"}");
    wrong("a.css", b"a { b: c", "still open");
    wrong("a.css", b"a { b: c } }", "not opened");
    wrong("a.css", b"/* x", "in a comment");
    let php = "<?php\n// don't {\n# it's {\n$a = \"x {$b[\"}\"]} \\\" {\"; $c = 'it''s' . 'a\\'{';\n#[Attribute]\nfunction f() { return <<<EOT\n } ' \"\n  EOT; }\n?>\n<p>it's }</p>\n<?= f() ?>";
    right("a.php", php.as_bytes());
    right("a.php", b"<?php\n$x = <<<'X'\n\" {\nX;\n");
    right("a.php", b"just { text");
    right("a.php", b"");
    wrong("a.php", b"<?php function f() { if (1) { echo 'x'; }", "still open");
    wrong("a.php", b"<?php $a = 'half a str", "in a string");
    wrong("a.php", b"<?php $a = <<<EOT\nx", "in a heredoc");
    right("a.sql", b"-- it's\nINSERT INTO t VALUES ('it''s', 'a\\'b', \"c\");\n/* x */");
    right("a.sql", b"INSERT INTO t VALUES ('C:\\');");
    right("a.sql", b"CREATE FUNCTION f() AS $x$ it's $x$;\nCOPY t (a) FROM stdin;\nit's\t'\n\\.\nSELECT 1;");
    wrong("a.sql", b"INSERT INTO t VALUES ('it", "in a string");
    wrong("a.sql", b"COPY t (a) FROM stdin;\n1\n2\n", "rows of a table");
    wrong("a.sql", b"-- MariaDB dump 10.19\nINSERT INTO t VALUES (1);\n", "Dump completed");
    right("a.sql", b"-- MariaDB dump 10.19\nINSERT INTO t VALUES (1);\n-- Dump completed on 2026\n");
}

#[test]
fn nothing_that_can_be_read_makes_a_check_panic() {
    let seeds =
        [picture(::image::ImageFormat::Png), gz(b"x"), zip_of(b"y"), tar_of(b"z"), b"<?php \"{$a".to_vec()];
    let names = [
        "a.tar", "a.gz", "a.tgz", "a.zip", "a.svg", "a.pdf", "a.html", "a.json", "a.yml", "a.css", "a.php",
        "a.sql", "a.gif",
    ];
    for seed in &seeds {
        for cut in 0..seed.len().min(120) {
            for name in names {
                let _ = says(name, &seed[..cut]);
            }
        }
    }
}
