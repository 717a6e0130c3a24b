-- A server with an object of every kind that a dump has to bring back.
set sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'; set names utf8mb4;
create database shop default character set utf8mb4; create database `odd ``na-me` default character set latin1; use shop;
create table parent (id int auto_increment primary key, name varchar(50) not null unique, f float, d double,
    ts timestamp(6) not null default current_timestamp(6), e enum('a', 'b'), s set('x', 'y'), b bit(10), g point, j json, bl longblob,
    dt datetime(3), y year, ti time(2), n decimal(30, 10), u uuid, i6 inet6, check (length(name) < 50))
    comment 'it''s; "a" `comment`\nsecond';
create table child (id int auto_increment primary key, parent_id int, t text, vg int generated always as (parent_id * 2) virtual,
    sg int generated always as (parent_id * 3) stored, hidden int invisible default 3,
    constraint fk1 foreign key (parent_id) references parent (id) on delete cascade, fulltext (t));
create table part (id int, d date, key (d)) partition by range (year(d)) (partition p0 values less than (2020), partition p1 values less than maxvalue);
create table hist (id int primary key, v int) with system versioning;
create table hist2 (id int primary key, v int, rs timestamp(6) generated always as row start, re timestamp(6) generated always as row end,
    period for system_time (rs, re)) with system versioning;
create table derived_only (a int generated always as (1 + 1) virtual); insert into derived_only values ();
create table latin (t varchar(50) character set latin1); create table `we``ird "n'a.me` (`c``1` int, `select` text);
create table empty_one (a int) row_format = compressed;
create sequence sq start with 5 increment by 3; select nextval(sq); create table of_sequence (id int default nextval(sq), v int);
create view v as select id, name from parent; create view v_of_v as select name from v where id < 100;
delimiter //
create procedure trap(in a int) comment 'x' begin select ';;
-- Dump completed
DELIMITER ;
USE `mysql`;
INSERT INTO `parent` VALUES (1);
', "a" ; /* c ' */ -- it's
 end//
create function f1(a int) returns int deterministic /* a comment that must stay */ return a + 1//
create trigger tr1 before insert on parent for each row begin /* stays */ set new.e = 'a'; end//
create trigger shop.tr2 before insert on parent for each row follows tr1 set new.s = 'x'//
create event ev on schedule every 1 year starts '2030-01-01' do begin delete from shop.parent; end//
set sql_mode = oracle//
create package pk as function a return int; end//
create package body pk as function a return int as begin return 1; end; end//
set sql_mode = default//
delimiter ;
insert into parent (name, f, d, b, g, j, bl, dt, y, ti, n, u, i6) values
    ('é😀', 1.23456789, 1.2345678901234567, b'1010', point(1.1, 2), '{"a":"\\n(,''"}', x'00ff27', '2020-01-01 00:00:00.123', 2001, '10:00:00.12', 1.5, uuid(), '::1'),
    ('(a),(b)''\\;', 3.4e38, -1e-300, null, null, null, '', null, null, null, null, null, null);
insert into parent (name) select concat('n', seq) from seq_1_to_200;
insert into child (parent_id, t) values (1, 'x\r\n\0\Z'), (2, ''), (2, null); insert into child (parent_id, t) select seq, repeat('y', seq) from seq_1_to_200;
insert into part values (1, '2019-01-01'), (2, '2021-01-01'); insert into latin values ('é'); insert into `we``ird "n'a.me` values (1, 'x');
insert into hist values (1, 1); update hist set v = 2; update hist set v = 3; insert into hist2 (id, v) values (1, 1); update hist2 set v = 2; delete from hist2;
insert into of_sequence (v) values (1);
create role r1; create user bob@localhost identified by 'bobs-password'; grant select on shop.* to r1; grant r1 to bob@localhost;
set default role r1 for bob@localhost; create user 'two words'@'%'; grant select (id) on shop.parent to 'two words'@'%';
grant execute on procedure shop.trap to bob@localhost;
create server srv foreign data wrapper mysql options (user 'u', password 'srv-password', host 'x');
